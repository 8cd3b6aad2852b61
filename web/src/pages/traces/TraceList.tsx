import { Link } from "wouter";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { Count, Duration, Money } from "@/components/Figure";
import { Page } from "@/components/Page";
import { Pager } from "@/components/Pager";
import { Select } from "@/components/Select";
import { Empty, Loaded, SkeletonRows } from "@/components/states";
import { Table } from "@/components/Table";
import { Unheeded, useOnly } from "@/components/Unheeded";
import { Watermark } from "@/components/Watermark";
import { clock, exactTime } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { useLinkTo, useView } from "@/lib/view";

const SHOWN = 30;
const HEEDED = ["tenant", "conversation", "user", "model"] as const;
const LENGTHS = [
  ["", "Of any length"],
  ["100", "100 ms and longer"],
  ["1000", "1 s and longer"],
  ["5000", "5 s and longer"],
  ["30000", "30 s and longer"],
] as const;
const ERRORS = [
  ["", "With and without errors"],
  ["true", "With errors"],
  ["false", "Without errors"],
] as const;

/** Traces that began in the period, the latest first. */
export function TraceList() {
  const { period, search, set } = useView();
  const to = useLinkTo();
  const only = useOnly(HEEDED);
  const [longer] = LENGTHS.find(([ms]) => ms === search.get("longer")) ?? LENGTHS[0];
  const [error] = ERRORS.find(([id]) => id === search.get("error")) ?? ERRORS[0];
  const query = { ...asQuery(period), ...only, limit: SHOWN, cursor: search.get("cursor"), min_duration_ms: longer || null, error: error || null };
  const asked = useAnswer("/api/v1/traces", { query });
  return (
    <Page title="Traces" watermark={<Watermark until={asked.data?.watermark} complete={asked.data?.complete ?? false} />}>
      <Card
        title="Traces"
        hint="latest first"
        aside={
          <>
            <Select label="Length" value={longer} options={LENGTHS} onChange={(next) => set({ longer: next || null, cursor: null }, "push")} />
            <Select label="Errors" value={error} options={ERRORS} onChange={(next) => set({ error: next || null, cursor: null }, "push")} />
          </>
        }
      >
        <Unheeded heeded={HEEDED} />
        <Loaded
          asked={asked}
          skeleton={<SkeletonRows rows={12} />}
          isEmpty={(data) => data.rows.length === 0}
          empty={<Empty title="No such trace in this period">Requests through the gateway are traced, and what an application sends over OTLP.</Empty>}
        >
          {(data) => (
            <>
              <Table
                caption="Traces"
                rows={data.rows}
                rowKey={(row) => `${row.tenant_id ?? ""} ${row.trace_id}`}
                columns={[
                  {
                    id: "at",
                    head: "Began",
                    cell: (row) => (
                      <Link href={to(`/traces/${row.trace_id}`)} className="font-medium whitespace-nowrap text-accent hover:underline" title={`${exactTime(row.started_at)}, trace ${row.trace_id}`}>
                        {clock(row.started_at)}
                      </Link>
                    ),
                  },
                  {
                    id: "root",
                    head: "What",
                    cell: (row) => (
                      <>
                        {row.root.name} <span className="text-soft">{row.root.service}</span>
                      </>
                    ),
                  },
                  { id: "took", head: "Took", numeric: true, cell: (row) => <Duration ms={row.duration_ms} className="font-medium" /> },
                  { id: "spans", head: "Spans", numeric: true, wide: true, cell: (row) => <Count value={row.span_count} /> },
                  {
                    id: "errors",
                    head: "Errors",
                    numeric: true,
                    cell: (row) => (row.error_spans > 0 ? <Badge tone="bad">{row.error_spans}</Badge> : <span className="text-soft">0</span>),
                  },
                  { id: "models", head: "Models", wide: true, cell: (row) => row.models.join(", ") },
                  { id: "services", head: "Services", wide: true, cell: (row) => row.services.join(", ") },
                  { id: "tenant", head: "Tenant", wide: true, cell: (row) => row.tenant_id ?? <span className="text-soft">(the platform)</span> },
                  { id: "cost", head: "Cost", numeric: true, cell: (row) => (row.calls > row.unpriced_calls ? <Money amount={row.cost_usd} /> : <Money amount={null} />) },
                ]}
              />
              <Pager next={data.next} />
            </>
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
