import type { CostRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { colorOf } from "@/components/colors";
import { LazyChart } from "@/components/LazyChart";
import { Empty, Loaded, Skeleton } from "@/components/states";
import { pixels } from "@/lib/decimal";
import { axisUsd, usd } from "@/lib/format";
import { asQuery, granularity, rangeOf, STEP_S, stepsOf } from "@/lib/period";
import { DIMENSION_NAMES, type Dimension, useView } from "@/lib/view";

const STACKED = 7;
const MOST_ROWS = 10_000;

/** The dearest groups on top of each other, the rest as one. */
export function SpendOverTime({ by }: { readonly by: Dimension }) {
  const { period, filters } = useView();
  const step = granularity(period);
  const query = { ...asQuery(period), ...filters, group_by: by, top: STACKED, granularity: step, limit: MOST_ROWS };
  const costs = useAnswer("/api/v1/analytics/costs", { query });
  return (
    <Loaded
      asked={costs}
      skeleton={<Skeleton className="m-4 h-56" />}
      isEmpty={(data) => data.rows.length === 0}
      empty={<Empty title="No calls in this period" />}
    >
      {({ rows, ...answer }) => {
        const groups = byGroup(rows, by);
        const times = stepsOf(answer, step);
        return (
          <LazyChart
            label={`Cost by ${step} and ${DIMENSION_NAMES[by].toLowerCase()}`}
            kind="stack"
            height={230}
            step={STEP_S[step]}
            range={rangeOf(answer)}
            times={times}
            axis={axisUsd}
            series={groups.map(({ name, amounts }, index) => ({
              name,
              color: name === OTHERS ? "var(--s8)" : colorOf(index),
              at: times.map((at) => pixels(amounts.get(at) ?? "0")),
              write: (point) => usd(amounts.get(times[point] ?? 0) ?? "0"),
            }))}
          />
        );
      }}
    </Loaded>
  );
}

const OTHERS = "all others";

interface Group {
  readonly name: string;
  /** By the second in which a step begins. */
  readonly amounts: Map<number, string>;
}

/** The largest first, the rest last. */
function byGroup(rows: readonly CostRow[], by: Dimension): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const row of rows) {
    const name = row.other ? OTHERS : (row.group?.[by] ?? "(none)");
    const at = Date.parse(row.at ?? "") / 1000;
    const group = groups.get(name) ?? { name, amounts: new Map<number, string>() };
    groups.set(name, group);
    group.amounts.set(at, row.cost_usd);
  }
  const others = groups.get(OTHERS);
  groups.delete(OTHERS);
  const height = ({ amounts }: Group) => [...amounts.values()].reduce((sum, amount) => sum + pixels(amount), 0);
  return [...[...groups.values()].toSorted((a, b) => height(b) - height(a)), ...(others ? [others] : [])];
}
