import { Link } from "wouter";
import type { CallView } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Count, Duration, Money } from "@/components/Figure";
import { ListPage } from "@/components/ListPage";
import { Select } from "@/components/Select";
import { Empty } from "@/components/states";
import { TimeLegend, TimeSplit } from "@/components/TimeSplit";
import { toneOf } from "@/components/tones";
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
    <ListPage
      title="Calls"
      hint="Took: sent to the last byte; the bars have what came before it too"
      controls={<Select label="Order" value={order} options={ORDERS} onChange={(next) => set({ order: next, cursor: null }, "push")} />}
      asked={calls}
      empty={<Empty title="No calls in this period">Choose a longer period or fewer filters.</Empty>}
      legend={<TimeLegend />}
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
        { id: "model", head: "Model", cell: (row) => <Asked row={row} /> },
        { id: "provider", head: "Provider", wide: true, cell: (row) => row.provider },
        { id: "tenant", head: "Tenant", wide: true, cell: (row) => row.tenant_id },
        { id: "status", head: "Status", wide: true, cell: (row) => <Badge tone={toneOf(row.status)}>{row.error_type ?? row.status}</Badge> },
        { id: "tokens", head: "Written", numeric: true, wide: true, cell: (row) => <Count value={row.tokens.output_tokens} /> },
        { id: "cost", head: "Cost", numeric: true, cell: (row) => <Money amount={row.cost_usd} /> },
      ]}
    />
  );
}

/** The model; and what went wrong, where there is no column for that. */
function Asked({ row }: { readonly row: CallView }) {
  return (
    <>
      {row.model}
      {row.status === "ok" ? null : (
        <span className="ml-2 md:hidden">
          <Badge tone={toneOf(row.status)}>{row.error_type ?? row.status}</Badge>
        </span>
      )}
    </>
  );
}
