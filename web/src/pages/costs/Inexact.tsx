import { Link } from "wouter";
import type { CostRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Count, Money } from "@/components/Figure";
import { Empty, Loaded } from "@/components/states";
import { type Column, Table } from "@/components/Table";
import { Watermark } from "@/components/Watermark";
import { asQuery } from "@/lib/period";
import { useView } from "@/lib/view";

/** What is missing from the cost, since it has no price; and what in it is an estimate. */
export default function Inexact() {
  const { period, filters } = useView();
  const query = { ...asQuery(period), ...filters, group_by: "provider,model", order: "calls" };
  const asked = useAnswer("/api/v1/analytics/costs", { query });
  const watermark = <Watermark until={asked.data?.watermark} complete={asked.data?.complete ?? false} />;
  return (
    <>
      <Card title="Calls without a price" hint="missing from every sum of cost" aside={watermark}>
        <Loaded
          asked={asked}
          isEmpty={({ rows }) => rows.every((row) => row.unpriced_calls === 0)}
          empty={<Empty title="Every call has a price" />}
        >
          {({ rows }) => (
            <>
              <Table
                caption="Calls without a price, by model"
                rows={rows.filter((row) => row.unpriced_calls > 0)}
                rowKey={nameOf}
                columns={[
                  ...named,
                  { id: "unpriced", head: "Without a price", numeric: true, cell: (row) => <Count value={row.unpriced_calls} className="font-medium text-warn" /> },
                  { id: "calls", head: "Of calls", numeric: true, cell: (row) => <Count value={row.calls} /> },
                  { id: "tokens", head: "Tokens", numeric: true, cell: (row) => <Count value={row.tokens} /> },
                ]}
              />
              <p className="border-t px-4 py-3 text-xs text-soft">
                <code>observatory prices set</code> gives a model a price, then <code>observatory reprice book</code> its calls a cost.
              </p>
            </>
          )}
        </Loaded>
      </Card>
      <Card title="Estimated amounts" hint="in the sums until reconciled" aside={watermark}>
        <Loaded
          asked={asked}
          isEmpty={({ rows }) => rows.every((row) => row.estimated_calls === 0)}
          empty={<Empty title="Nothing is estimated" />}
        >
          {({ rows }) => (
            <Table
              caption="Estimated amounts, by model"
              rows={rows.filter((row) => row.estimated_calls > 0)}
              rowKey={nameOf}
              columns={[
                ...named,
                { id: "calls", head: "Estimated calls", numeric: true, cell: (row) => <Count value={row.estimated_calls} /> },
                { id: "estimated", head: "Estimated", numeric: true, cell: (row) => <Money amount={row.estimated_cost_usd} className="font-medium" /> },
                { id: "cost", head: "Of a cost of", numeric: true, cell: (row) => <Money amount={row.cost_usd} /> },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </>
  );
}

function nameOf(row: CostRow): string {
  return `${row.group?.["provider"] ?? ""} ${row.group?.["model"] ?? ""}`;
}

const named: readonly Column<CostRow>[] = [
  { id: "model", head: "Model", cell: (row) => <Model row={row} /> },
  { id: "provider", head: "Provider", cell: (row) => row.group?.["provider"] },
];

function Model({ row }: { readonly row: CostRow }) {
  const { href } = useView();
  const model = row.group?.["model"] ?? "";
  return (
    <Link href={href({ model, tab: null, by: "user" })} className="font-medium hover:underline">
      {model}
    </Link>
  );
}
