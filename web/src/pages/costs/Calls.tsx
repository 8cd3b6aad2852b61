import { Link } from "wouter";
import type { CallView } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { Duration, Money } from "@/components/Figure";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { type Column, Table } from "@/components/Table";
import { clock, exactTime } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { useView } from "@/lib/view";
import { toneOf } from "@/components/tones";

const SHOWN = 15;
const ORDERS = [
  ["cost", "Dearest first"],
  ["latest", "Latest first"],
  ["latency", "Slowest first"],
  ["tokens", "Most tokens first"],
] as const;

/** The calls that the view is about, one by one. */
export function Calls() {
  const { period, filters, search, set } = useView();
  const [order] = ORDERS.find(([id]) => id === search.get("calls")) ?? ORDERS[0];
  const calls = useAnswer("/api/v1/calls", { query: { ...asQuery(period), ...filters, order, limit: SHOWN } });
  return (
    <Card title="Calls" hint={`the first ${SHOWN}`} aside={<Select label="Order of calls" value={order} options={ORDERS} onChange={(next) => set({ calls: next })} />}>
      <Loaded asked={calls} isEmpty={(data) => data.rows.length === 0} empty={<Empty title="No calls in this period" />}>
        {(data) => <CallTable caption="Calls" rows={data.rows} />}
      </Loaded>
    </Card>
  );
}

interface Props {
  readonly caption: string;
  readonly rows: readonly CallView[];
  /** Whose they are is said elsewhere. */
  readonly ofOne?: boolean;
}

export function CallTable({ caption, rows, ofOne = false }: Props) {
  const { search, href } = useView();
  const whose: readonly Column<CallView>[] = [
    { id: "tenant", head: "Tenant", wide: true, cell: (row) => row.tenant_id },
    { id: "user", head: "User", wide: true, cell: (row) => row.user_id ?? <span className="text-soft">(none)</span> },
  ];
  return (
    <Table
      caption={caption}
      rows={rows}
      rowKey={(row) => row.call_id}
      isCurrent={(row) => row.call_id === search.get("call")}
      columns={[
        {
          id: "at",
          head: "Began",
          cell: (row) => (
            <Link href={href({ call: row.call_id })} className="font-medium hover:underline" title={exactTime(row.started_at)}>
              {clock(row.started_at)}
            </Link>
          ),
        },
        { id: "model", head: "Model", cell: (row) => row.model },
        ...(ofOne ? [] : whose),
        { id: "status", head: "Status", cell: (row) => <Badge tone={toneOf(row.status)}>{row.error_type ?? row.status}</Badge> },
        { id: "took", head: "Took", numeric: true, wide: true, cell: (row) => <Duration ms={row.total_ms} /> },
        { id: "cost", head: "Cost", numeric: true, cell: (row) => <Money amount={row.cost_usd} className="font-medium" /> },
      ]}
    />
  );
}
