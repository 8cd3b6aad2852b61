import type { WasteFigures } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Bar } from "@/components/Bar";
import { Card } from "@/components/Card";
import { Count, Figure, Figures, Money } from "@/components/Figure";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { Watermark } from "@/components/Watermark";
import { count, exactUsd, usd } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { useView } from "@/lib/view";

const BY = [
  ["cause", "By cause"],
  ["model", "By model"],
  ["provider", "By provider"],
  ["tenant", "By tenant"],
] as const;

const CAUSES: Readonly<Record<string, string>> = {
  worker_died: "Its worker died",
  answer_discarded: "The answer came too late",
  abandoned: "Abandoned by its caller",
  malformed_answer: "The answer could not be read",
  stream_cut: "The stream was cut",
  timeout: "Timed out",
  refused_or_failed: "Refused, or failed",
};

/** What attempts cost that gave no answer to anybody. */
export default function Waste() {
  const { period, filters, search, set } = useView();
  const [by] = BY.find(([id]) => id === search.get("waste")) ?? BY[0];
  const only = { tenant: filters.tenant?.[0], model: filters.model?.[0] };
  const asked = useAnswer("/api/v1/analytics/waste", { query: { ...asQuery(period), ...only, by } });
  return (
    <Card
      title="Waste"
      hint="attempts that gave no answer to anybody"
      aside={
        <>
          <Watermark until={asked.data?.watermark} complete={asked.data?.complete ?? false} />
          <Select label="Waste by" value={by} options={BY} onChange={(next) => set({ waste: next })} />
        </>
      }
    >
      <Loaded asked={asked} isEmpty={(data) => (data.rows[0]?.calls ?? 0) === 0} empty={<Empty title="Nothing was wasted in this period" />}>
        {({ rows: [total, ...rows] }) => (total ? <Known by={by} total={total} rows={rows} /> : null)}
      </Loaded>
    </Card>
  );
}

interface Props {
  readonly by: string;
  readonly total: WasteFigures;
  readonly rows: readonly WasteFigures[];
}

function Known({ by, total, rows }: Props) {
  return (
    <>
      <Figures label="Waste of the period">
        <Figure name="Wasted" testId="wasted" value={usd(total.cost_usd)} exact={exactUsd(total.cost_usd)} note={`${count(total.calls)} attempts`} />
        <Figure name="Tried again there" value={usd(total.retried_cost_usd)} exact={exactUsd(total.retried_cost_usd)} />
        <Figure name="Went elsewhere" value={usd(total.fallback_cost_usd)} exact={exactUsd(total.fallback_cost_usd)} />
        <Figure name="Given up" value={usd(total.given_up_cost_usd)} exact={exactUsd(total.given_up_cost_usd)} />
        <Figure name="Of it estimated" value={usd(total.estimated_cost_usd)} exact={exactUsd(total.estimated_cost_usd)} />
      </Figures>
      <div className="border-t">
        <Table
          caption={`Waste by ${by}`}
          rows={rows}
          rowKey={(row) => row.group ?? "(none)"}
          columns={[
            { id: "name", head: by[0]?.toUpperCase() + by.slice(1), cell: (row) => (by === "cause" ? (CAUSES[row.group ?? ""] ?? row.group) : (row.group ?? "(none)")) },
            { id: "bar", head: <span className="sr-only">Size</span>, wide: true, cell: (row) => <Bar part={row.cost_usd} whole={total.cost_usd} color="var(--s3)" /> },
            { id: "cost", head: "Cost", numeric: true, cell: (row) => <Money amount={row.cost_usd} className="font-medium" /> },
            { id: "calls", head: "Attempts", numeric: true, cell: (row) => <Count value={row.calls} /> },
            { id: "retried", head: "Tried again there", numeric: true, wide: true, cell: (row) => <Money amount={row.retried_cost_usd} /> },
            { id: "fallback", head: "Went elsewhere", numeric: true, wide: true, cell: (row) => <Money amount={row.fallback_cost_usd} /> },
            { id: "given-up", head: "Given up", numeric: true, wide: true, cell: (row) => <Money amount={row.given_up_cost_usd} /> },
            { id: "unpriced", head: "Unpriced", numeric: true, wide: true, cell: (row) => <Count value={row.unpriced_calls} /> },
          ]}
        />
      </div>
    </>
  );
}
