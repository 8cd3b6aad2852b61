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
import { TimeLegend, TimeSplit } from "@/components/TimeSplit";
import { toneOf } from "@/components/tones";
import { Watermark } from "@/components/Watermark";
import { clock, exactTime } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { useLinkTo, useView } from "@/lib/view";
import { partsOf } from "./parts";

const SHOWN = 30;
const ORDERS = [
  ["latency", "Slowest first"],
  ["latest", "Latest first"],
  ["cost", "Dearest first"],
  ["tokens", "Most tokens first"],
] as const;

/** Calls one by one, page by page. */
export function CallList() {
  const { period, filters, search, set } = useView();
  const to = useLinkTo();
  const [order] = ORDERS.find(([id]) => id === search.get("order")) ?? ORDERS[0];
  const query = { ...asQuery(period), ...filters, order, limit: SHOWN, cursor: search.get("cursor") };
  const calls = useAnswer("/api/v1/calls", { query });
  return (
    <Page title="Calls" watermark={<Watermark until={calls.data?.watermark} complete={calls.data?.complete ?? false} />}>
      <Card
        title="Calls one by one"
        hint="took: sent to the last byte; the bars have what came before it too"
        aside={<Select label="Order" value={order} options={ORDERS} onChange={(next) => set({ order: next, cursor: null }, "push")} />}
      >
        <Loaded
          asked={calls}
          skeleton={<SkeletonRows rows={12} />}
          isEmpty={(data) => data.rows.length === 0}
          empty={<Empty title="No calls in this period">Choose a longer period or fewer filters.</Empty>}
        >
          {(data) => (
            <>
              <TimeLegend />
              <Table
                caption="Calls"
                rows={data.rows}
                rowKey={(row) => row.call_id}
                columns={[
                  {
                    id: "at",
                    head: "Began",
                    cell: (row) => (
                      <Link href={to(`/calls/${row.call_id}`)} className="font-medium whitespace-nowrap text-accent hover:underline" title={exactTime(row.started_at)}>
                        {clock(row.started_at)}
                      </Link>
                    ),
                  },
                  { id: "took", head: "Took", numeric: true, cell: (row) => <Duration ms={row.total_ms} className="font-medium" /> },
                  { id: "split", head: "Where it went", wide: true, cell: (row) => <TimeSplit label="Its time" unit="ms" parts={partsOf(row)} /> },
                  { id: "model", head: "Model", cell: (row) => row.model },
                  { id: "provider", head: "Provider", wide: true, cell: (row) => row.provider },
                  { id: "tenant", head: "Tenant", wide: true, cell: (row) => row.tenant_id },
                  { id: "status", head: "Status", cell: (row) => <Badge tone={toneOf(row.status)}>{row.error_type ?? row.status}</Badge> },
                  { id: "tokens", head: "Written", numeric: true, wide: true, cell: (row) => <Count value={row.tokens.output_tokens} /> },
                  { id: "cost", head: "Cost", numeric: true, cell: (row) => <Money amount={row.cost_usd} /> },
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
