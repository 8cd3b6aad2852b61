import { useAnswer } from "@/api/useAnswer";
import { LazyChart } from "@/components/LazyChart";
import { Loaded, Skeleton } from "@/components/states";
import { pixels } from "@/lib/decimal";
import { axisUsd, count, duration, si, usd } from "@/lib/format";
import { asQuery, granularity, rangeOf, STEP_S } from "@/lib/period";
import { useView } from "@/lib/view";

/** Cost, calls and latency over the period, cost and calls beside those of the period before. */
export function OverTime() {
  const { period, filters } = useView();
  const step = granularity(period);
  const query = { ...asQuery(period), ...filters, granularity: step, compare: "previous" };
  const costs = useAnswer("/api/v1/analytics/costs", { query });
  const performance = useAnswer("/api/v1/analytics/performance", { query });
  const empty = <Skeleton className="m-4 h-44" />;
  return (
    <div className="grid border-t lg:grid-cols-3 lg:divide-x">
      <Loaded asked={costs} skeleton={empty}>
        {({ rows, ...answer }) => (
          <LazyChart
            label={`Cost by ${step}, and in the period before`}
            kind="area"
            height={160}
            syncKey="period"
            step={STEP_S[step]}
            range={rangeOf(answer)}
            times={rows.map((row) => Date.parse(row.at ?? "") / 1000)}
            axis={axisUsd}
            series={[
              { name: `Cost by ${step}`, at: rows.map((row) => pixels(row.cost_usd)), write: (index) => usd(rows[index]?.cost_usd) },
              {
                name: "before",
                color: "var(--s8)",
                dashed: true,
                at: rows.map((row) => (row.previous ? pixels(row.previous.cost_usd) : null)),
                write: (index) => usd(rows[index]?.previous?.cost_usd),
              },
            ]}
          />
        )}
      </Loaded>
      <Loaded asked={costs} skeleton={empty}>
        {({ rows, ...answer }) => (
          <LazyChart
            label={`Calls and errors by ${step}, and calls in the period before`}
            kind="area"
            height={160}
            syncKey="period"
            step={STEP_S[step]}
            range={rangeOf(answer)}
            times={rows.map((row) => Date.parse(row.at ?? "") / 1000)}
            axis={si}
            series={[
              { name: `Calls by ${step}`, color: "var(--s5)", at: rows.map((row) => row.calls), write: (index) => count(rows[index]?.calls) },
              { name: "errors", color: "var(--bad)", at: rows.map((row) => row.errors), write: (index) => count(rows[index]?.errors) },
              {
                name: "before",
                color: "var(--s8)",
                dashed: true,
                at: rows.map((row) => row.previous?.calls ?? null),
                write: (index) => count(rows[index]?.previous?.calls),
              },
            ]}
          />
        )}
      </Loaded>
      <Loaded asked={performance} skeleton={empty}>
        {({ rows, ...answer }) => (
          <LazyChart
            label={`Percentiles of latency by ${step}`}
            height={160}
            syncKey="period"
            step={STEP_S[step]}
            range={rangeOf(answer)}
            times={rows.map((row) => Date.parse(row.at ?? "") / 1000)}
            axis={duration}
            series={[
              { name: "p50", color: "var(--s2)", at: rows.map((row) => row.latency_p50_ms), write: (index) => duration(rows[index]?.latency_p50_ms) },
              { name: "p95", color: "var(--s3)", at: rows.map((row) => row.latency_p95_ms), write: (index) => duration(rows[index]?.latency_p95_ms) },
              { name: "p99", color: "var(--s4)", at: rows.map((row) => row.latency_p99_ms), write: (index) => duration(rows[index]?.latency_p99_ms) },
            ]}
          />
        )}
      </Loaded>
    </div>
  );
}
