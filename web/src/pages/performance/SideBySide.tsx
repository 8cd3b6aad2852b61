import { useMemo } from "react";
import { Link } from "wouter";
import type { PartsRow, PerformanceRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Count, Delta, Duration, Percent } from "@/components/Figure";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { TIME_PARTS, TimeSplit } from "@/components/TimeSplit";
import { duration, perSecond } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { useView } from "@/lib/view";

const GROUPS = [
  ["provider", "Providers"],
  ["model", "Models"],
  ["tenant", "Tenants"],
  ["operation", "Operations"],
] as const;
const ORDERS = [
  ["p95", "Slowest first"],
  ["calls", "Most calls first"],
  ["errors", "Most errors first"],
] as const;
const MOST = 25;

/** Groups beside each other: how fast, how sure, and where the time of each goes. */
export function SideBySide() {
  const { period, filters, search, set, href } = useView();
  const [by, name] = GROUPS.find(([id]) => id === search.get("by")) ?? GROUPS[0];
  const [order] = ORDERS.find(([id]) => id === search.get("order")) ?? ORDERS[0];
  const asked = { ...asQuery(period), ...filters, group_by: by };
  const groups = useAnswer("/api/v1/analytics/performance", { query: { ...asked, order, top: MOST, compare: "previous" } });
  const parts = useAnswer("/api/v1/analytics/latency/parts", { query: asked });
  const split = useMemo(() => new Map<string | null, PartsRow>(parts.data?.rows.map((row) => [row.group, row])), [parts.data]);
  const nameOf = (row: PerformanceRow) => row.group?.[by] ?? null;
  return (
    <Card
      title={`${name} side by side`}
      aside={
        <>
          <Select label="Set side by side" value={by} options={GROUPS} onChange={(next) => set({ by: next }, "push")} />
          <Select label="Order" value={order} options={ORDERS} onChange={(next) => set({ order: next })} />
        </>
      }
    >
      <Loaded asked={groups} isEmpty={(data) => data.rows.length === 0} empty={<Empty title="No calls in this period" />}>
        {({ rows }) => (
          <Table
            caption={`${name} side by side`}
            rows={rows}
            rowKey={(row) => (row.other ? "(others)" : (nameOf(row) ?? "(none)"))}
            columns={[
              {
                id: "name",
                head: name.replace(/s$/, ""),
                cell: (row) =>
                  row.other || nameOf(row) === null ? (
                    <span className="text-soft">{row.other ? `${row.groups} others` : "(none)"}</span>
                  ) : (
                    <Link href={href({ [by]: nameOf(row) })} className="font-medium hover:underline" title="Show only this">
                      {nameOf(row)}
                    </Link>
                  ),
              },
              {
                id: "split",
                head: "Where its time goes",
                wide: true,
                cell: (row) => {
                  const found = row.other ? undefined : split.get(nameOf(row));
                  return found ? (
                    <TimeSplit label={`Parts of the time of ${nameOf(row)}`} unit="share" parts={Object.fromEntries(TIME_PARTS.map(([id]) => [id, found[id].share]))} />
                  ) : null;
                },
              },
              { id: "p50", head: "p50", numeric: true, cell: (row) => <Duration ms={row.latency_p50_ms} /> },
              { id: "p95", head: "p95", numeric: true, cell: (row) => <Duration ms={row.latency_p95_ms} className="font-medium" /> },
              { id: "p99", head: "p99", numeric: true, wide: true, cell: (row) => <Duration ms={row.latency_p99_ms} /> },
              { id: "before", head: "p95 before", numeric: true, wide: true, cell: (row) => <Delta now={row.latency_p95_ms} before={row.previous?.latency_p95_ms} more="bad" write={duration} /> },
              { id: "ttft", head: "First token p95", numeric: true, wide: true, cell: (row) => <Duration ms={row.ttft_p95_ms} /> },
              { id: "errors", head: "Errors", numeric: true, cell: (row) => <Percent rate={row.error_rate} /> },
              { id: "tokens", head: "Tokens", numeric: true, wide: true, cell: (row) => perSecond(row.output_tokens_per_second) },
              { id: "calls", head: "Calls", numeric: true, cell: (row) => <Count value={row.calls} /> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}
