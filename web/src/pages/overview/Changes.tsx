import { Link } from "wouter";
import type { CostReasons, CostRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Others } from "@/components/Others";
import { Difference } from "@/components/Difference";
import { CostOf, Count, Delta, Money } from "@/components/Figure";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { Tabs } from "@/components/Tabs";
import { changeInPermille, compare, magnitude, sign } from "@/lib/decimal";
import { change, usd } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { type Dimension, useView } from "@/lib/view";

const SHOWN = 6;

interface Side {
  readonly id: string;
  readonly name: string;
  readonly by: readonly Dimension[];
}

const SIDES: readonly Side[] = [
  { id: "model", name: "Model", by: ["model"] },
  { id: "tenant", name: "Tenant", by: ["tenant"] },
  { id: "user", name: "User", by: ["user"] },
  { id: "route", name: "Route", by: ["provider", "operation"] },
];
const DEFAULT_SIDE: Side = { id: "model", name: "Model", by: ["model"] };

interface Props {
  readonly total: CostRow | undefined;
  readonly enabled: boolean;
}

/** What cost more or less than in the period before, who made the difference, and why. */
export function Changes({ total, enabled }: Props) {
  const { period, filters, search, set } = useView();
  const side = SIDES.find(({ id }) => id === search.get("changed")) ?? DEFAULT_SIDE;
  const query = {
    ...asQuery(period),
    ...filters,
    group_by: side.by.join(","),
    order: "change",
    compare: "previous",
    top: SHOWN,
  };
  const movers = useAnswer("/api/v1/analytics/costs", { query }, { enabled });
  return (
    <Card title="What changed, and why" hint={total ? <Why row={total} /> : null}>
      <Tabs
        label="What changed by"
        value={side.id}
        onChange={(id) => set({ changed: id })}
        tabs={SIDES.map(({ id, name }) => [id, name] as const)}
      >
          <Loaded asked={movers} isEmpty={(data) => data.rows.length === 0} empty={<Empty title="No calls in either period" />}>
            {(data) => <Movers side={side} rows={data.rows} />}
          </Loaded>
      </Tabs>
    </Card>
  );
}

function Movers({ side, rows }: { readonly side: Side; readonly rows: readonly CostRow[] }) {
  return (
    <Table
      caption={`What changed most, by ${side.name.toLowerCase()}`}
      rows={rows}
      rowKey={(row) => (row.other ? "others" : JSON.stringify(row.group))}
      columns={[
        { id: "name", head: side.name, cell: (row) => <Name side={side} row={row} /> },
        {
          id: "difference",
          head: "Difference",
          numeric: true,
          cell: (row) => <Difference amount={row.difference_usd ?? "0"} />,
        },
        { id: "change", head: "Change", numeric: true, cell: (row) => <Delta now={row.cost_usd} before={row.previous?.cost_usd} more="bad" write={usd} /> },
        { id: "why", head: "Why", wide: true, cell: (row) => <Reasons row={row} /> },
        { id: "now", head: "Cost", numeric: true, cell: (row) => <CostOf of={row} /> },
        { id: "before", head: "Before", numeric: true, wide: true, cell: (row) => <Money amount={row.previous?.cost_usd ?? "0"} className="text-soft" /> },
        { id: "calls", head: "Calls", numeric: true, wide: true, cell: (row) => <Count value={row.calls} /> },
        { id: "calls-before", head: "Before", numeric: true, wide: true, cell: (row) => <Count value={row.previous?.calls ?? 0} className="text-soft" /> },
      ]}
    />
  );
}

function Reasons({ row }: { readonly row: CostRow }) {
  const said = row.reasons ? why(row.reasons, row) : "";
  return (
    <span className="text-soft" title={said}>
      {said}
    </span>
  );
}

/** Leads to the costs of the group alone. */
function Name({ side, row }: { readonly side: Side; readonly row: CostRow }) {
  const { search } = useView();
  if (row.other) return <Others row={row} />;
  const next = new URLSearchParams(search);
  next.delete("changed");
  for (const name of side.by) {
    const value = row.group?.[name];
    if (value !== null && value !== undefined) next.set(name, value);
  }
  const names = side.by.map((name) => row.group?.[name] ?? "(none)");
  return (
    <Link href={`/costs?${next}`} className="font-medium hover:underline">
      {names.join(" · ")}
    </Link>
  );
}

function Why({ row }: { readonly row: CostRow }) {
  const { previous, difference_usd: difference, reasons } = row;
  if (!previous || !difference || !reasons) return null;
  const direction = sign(difference);
  if (direction === 0) return <span>Cost is what it was.</span>;
  const permille = changeInPermille(row.cost_usd, previous.cost_usd);
  const rose = direction > 0 ? "rose" : "fell";
  return (
    <span data-testid="why">
      Cost {rose} by <b className="font-semibold text-ink">{usd(absolute(difference))}</b>
      {permille === undefined ? "" : ` (${change(permille)})`}: {why(reasons, row)}.
    </span>
  );
}

/** The parts of a difference that say something, the largest first: those below a hundredth of the largest are left out. */
function why(reasons: CostReasons, row: CostRow): string {
  if (!row.previous?.calls) return "all of it new";
  if (!row.calls) return "no calls any more";
  const parts = [
    [reasons.calls_usd, "more calls", "fewer calls"],
    [reasons.length_usd, "longer calls", "shorter calls"],
    [reasons.rate_usd, "dearer tokens", "cheaper tokens"],
  ] as const;
  const told = parts.filter(([amount]) => sign(amount) !== 0).toSorted(([a], [b]) => compare(absolute(b), absolute(a)));
  const largest = told[0];
  if (!largest) return "the same";
  return told
    .filter(([amount]) => size(amount) > size(largest[0]) - 2)
    .map(([amount, more, fewer]) => (sign(amount) > 0 ? `+${usd(amount)} ${more}` : `${usd(amount)} ${fewer}`))
    .join(", ");
}

function absolute(amount: string): string {
  return amount.replace("-", "");
}

function size(amount: string): number {
  return magnitude(amount) ?? Number.NEGATIVE_INFINITY;
}
