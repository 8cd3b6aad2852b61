import { Download } from "lucide-react";
import { Link } from "wouter";
import { addressOf } from "@/api/client";
import type { CostRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Bar } from "@/components/Bar";
import { Card } from "@/components/Card";
import { Difference } from "@/components/Difference";
import { CostOf, Count, Delta, Money } from "@/components/Figure";
import { Others } from "@/components/Others";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { usd } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { DIMENSION_NAMES, DIMENSIONS, type Dimension, useView } from "@/lib/view";
import { Calls } from "./Calls";
import { SpendOverTime } from "./SpendOverTime";

const SHOWN = 25;
const ORDERS = [
  ["cost", "Dearest first"],
  ["change", "Most changed first"],
  ["calls", "Most calls first"],
  ["tokens", "Most tokens first"],
  ["errors", "Most errors first"],
] as const;

/** By any grouping: over time, as a table, and the calls behind it. */
export function Spend() {
  const { period, filters, search, set } = useView();
  const by = DIMENSIONS.find((each) => each === search.get("by")) ?? "model";
  const [order] = ORDERS.find(([id]) => id === search.get("order")) ?? ORDERS[0];
  const query = { ...asQuery(period), ...filters, group_by: by, top: SHOWN, order, compare: "previous" };
  const costs = useAnswer("/api/v1/analytics/costs", { query });
  return (
    <>
      <Card
        title="Over time"
        aside={
          <Select
            label="Group by"
            value={by}
            options={DIMENSIONS.map((each) => [each, `By ${DIMENSION_NAMES[each].toLowerCase()}`] as const)}
            onChange={(next) => set({ by: next }, "push")}
          />
        }
      >
        <SpendOverTime by={by} />
      </Card>
      <Card
        title={`By ${DIMENSION_NAMES[by].toLowerCase()}`}
        hint="choose one to see what it is made of"
        aside={
          <>
            <Select label="Order" value={order} options={ORDERS} onChange={(next) => set({ order: next })} />
            <a
              href={addressOf("/api/v1/analytics/costs", { query: { ...asQuery(period), ...filters, group_by: by, format: "csv" } })}
              download="costs.csv"
              className="inline-flex size-8 items-center justify-center rounded-md border text-soft hover:bg-raised hover:text-ink"
              aria-label="Download all groups as CSV"
            >
              <Download aria-hidden className="size-4" />
            </a>
          </>
        }
      >
        <Loaded asked={costs} isEmpty={(data) => data.rows.length === 0} empty={<Empty title="No calls in this period" />}>
          {(data) => <Groups by={by} rows={data.rows} />}
        </Loaded>
      </Card>
      <Calls />
    </>
  );
}

function Groups({ by, rows }: { readonly by: Dimension; readonly rows: readonly CostRow[] }) {
  const largest = rows.find((row) => !row.other)?.cost_usd ?? "0";
  return (
    <Table
      caption={`Costs by ${DIMENSION_NAMES[by].toLowerCase()}`}
      rows={rows}
      rowKey={(row) => (row.other ? "others" : JSON.stringify(row.group))}
      columns={[
        { id: "name", head: DIMENSION_NAMES[by], cell: (row) => <Group by={by} row={row} /> },
        { id: "bar", head: <span className="sr-only">Size</span>, wide: true, cell: (row) => <Bar part={row.cost_usd} whole={largest} /> },
        { id: "cost", head: "Cost", numeric: true, cell: (row) => <CostOf of={row} className="font-medium" /> },
        { id: "difference", head: "Difference", numeric: true, wide: true, cell: (row) => <Difference amount={row.difference_usd ?? "0"} /> },
        { id: "change", head: "Change", numeric: true, wide: true, cell: (row) => <Delta now={row.cost_usd} before={row.previous?.cost_usd} more="bad" write={usd} /> },
        { id: "calls", head: "Calls", numeric: true, cell: (row) => <Count value={row.calls} /> },
        { id: "average", head: "A call", numeric: true, wide: true, cell: (row) => <Money amount={row.average_cost_usd} /> },
        { id: "tokens", head: "Tokens", numeric: true, wide: true, cell: (row) => <Count value={row.tokens} /> },
        { id: "errors", head: "Errors", numeric: true, wide: true, cell: (row) => <Count value={row.errors} className={row.errors > 0 ? "text-bad" : "text-soft"} /> },
        { id: "unpriced", head: "Unpriced", numeric: true, wide: true, cell: (row) => <Count value={row.unpriced_calls} className={row.unpriced_calls > 0 ? "text-warn" : "text-soft"} /> },
      ]}
    />
  );
}

/** What a group is looked at by next. */
const INTO: Readonly<Partial<Record<Dimension, Dimension>>> = { model: "user", provider: "model", tenant: "user", user: "conversation" };

function Group({ by, row }: { readonly by: Dimension; readonly row: CostRow }) {
  const { href } = useView();
  const name = row.group?.[by];
  if (row.other) return <Others row={row} />;
  if (name === null || name === undefined) return <span className="text-soft">(none)</span>;
  return (
    <Link href={`/costs${href({ [by]: name, by: INTO[by] ?? "conversation", order: null })}`} className="font-medium hover:underline">
      {name}
    </Link>
  );
}
