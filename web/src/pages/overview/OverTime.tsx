import type { CostRow, PerformanceRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { LazyChart } from "@/components/LazyChart";
import { Loaded, Skeleton } from "@/components/states";
import { pixels } from "@/lib/decimal";
import { axisUsd, count, duration, NOTHING, si, usd } from "@/lib/format";
import { asQuery, byStep, granularity, rangeOf, STEP_S, stepsOf } from "@/lib/period";
import { useView } from "@/lib/view";

const HEIGHT = 160;

/** Cost, calls and latency over the period, cost and calls beside those of the period before. */
export function OverTime({ enabled }: { readonly enabled: boolean }) {
  const { period, filters } = useView();
  const step = granularity(period);
  const query = { ...asQuery(period), ...filters, granularity: step, compare: "previous" };
  const costs = useAnswer("/api/v1/analytics/costs", { query }, { enabled });
  const performance = useAnswer("/api/v1/analytics/performance", { query }, { enabled });
  const loading = <Skeleton className="m-4 h-44" />;
  const common = { height: HEIGHT, syncKey: "period", step: STEP_S[step] };
  return (
    <div className="grid border-t lg:grid-cols-3 lg:divide-x">
      <Loaded asked={costs} skeleton={loading}>
        {(answer) => {
          const times = stepsOf(answer, step);
          const rows = inOrder(times, answer.rows);
          return (
            <LazyChart
              {...common}
              label={`Cost by ${step}, and in the period before`}
              kind="area"
              range={rangeOf(answer)}
              times={times}
              axis={axisUsd}
              series={[
                { name: `Cost by ${step}`, at: rows.map((row) => pixels(row?.cost_usd ?? "0")), write: (index) => usd(rows[index]?.cost_usd ?? "0") },
                {
                  name: "before",
                  color: "var(--s8)",
                  dashed: true,
                  at: rows.map((row) => pixels(row?.previous?.cost_usd ?? "0")),
                  write: (index) => usd(rows[index]?.previous?.cost_usd ?? "0"),
                },
              ]}
            />
          );
        }}
      </Loaded>
      <Loaded asked={costs} skeleton={loading}>
        {(answer) => {
          const times = stepsOf(answer, step);
          const rows = inOrder(times, answer.rows);
          return (
            <LazyChart
              {...common}
              label={`Calls and errors by ${step}, and calls in the period before`}
              kind="area"
              range={rangeOf(answer)}
              times={times}
              axis={si}
              series={[
                { name: `Calls by ${step}`, color: "var(--s5)", at: rows.map((row) => row?.calls ?? 0), write: (index) => count(rows[index]?.calls ?? 0) },
                { name: "errors", color: "var(--bad)", at: rows.map((row) => row?.errors ?? 0), write: (index) => count(rows[index]?.errors ?? 0) },
                {
                  name: "before",
                  color: "var(--s8)",
                  dashed: true,
                  at: rows.map((row) => row?.previous?.calls ?? 0),
                  write: (index) => count(rows[index]?.previous?.calls ?? 0),
                },
              ]}
            />
          );
        }}
      </Loaded>
      <Loaded asked={performance} skeleton={loading}>
        {(answer) => {
          const times = stepsOf(answer, step);
          const rows = inOrder(times, answer.rows);
          return (
            <LazyChart
              {...common}
              label={`Percentiles of latency by ${step}`}
              range={rangeOf(answer)}
              times={times}
              axis={duration}
              series={PERCENTILES.map(({ name, color, of }) => ({
                name,
                color,
                at: rows.map((row) => (row ? of(row) : null)),
                write: (index: number) => {
                  const row = rows[index];
                  return row ? duration(of(row)) : NOTHING;
                },
              }))}
            />
          );
        }}
      </Loaded>
    </div>
  );
}

const PERCENTILES = [
  { name: "p50", color: "var(--s2)", of: (row: PerformanceRow) => row.latency_p50_ms },
  { name: "p95", color: "var(--s3)", of: (row: PerformanceRow) => row.latency_p95_ms },
  { name: "p99", color: "var(--s4)", of: (row: PerformanceRow) => row.latency_p99_ms },
];

/** The row of each step, where there is one. */
function inOrder<R extends CostRow | PerformanceRow>(times: readonly number[], rows: readonly R[]): readonly (R | undefined)[] {
  const found = byStep(rows);
  return times.map((at) => found.get(at));
}
