import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { LazyChart } from "@/components/LazyChart";
import { Empty, Loaded, Skeleton } from "@/components/states";
import { duration, percent, perSecond } from "@/lib/format";
import { asQuery, byStep, granularity, rangeOf, STEP_S, stepsOf } from "@/lib/period";
import { useView } from "@/lib/view";

/** Percentiles and throughput, step by step. */
export function OverTime() {
  const { period, filters } = useView();
  const step = granularity(period);
  const asked = useAnswer("/api/v1/analytics/performance", { query: { ...asQuery(period), ...filters, granularity: step } });
  const empty = <Empty title="No calls in this period" />;
  return (
    <div className="grid gap-4 lg:grid-cols-2">
      <Card title="Latency" hint={`by ${step}`}>
        <Loaded asked={asked} skeleton={<Skeleton className="m-4 h-48" />} isEmpty={(data) => data.rows.length === 0} empty={empty}>
          {(answer) => {
            const times = stepsOf(answer, step);
            const found = byStep(answer.rows);
            const rows = times.map((at) => found.get(at));
            return (
              <LazyChart
                label={`Percentiles of latency by ${step}`}
                height={190}
                syncKey="performance"
                step={STEP_S[step]}
                range={rangeOf(answer)}
                times={times}
                axis={duration}
                series={(["p50", "p95", "p99"] as const).map((each, index) => ({
                  name: each,
                  color: `var(--s${index + 2})`,
                  at: rows.map((row) => row?.[`latency_${each}_ms`] ?? null),
                  write: (at) => duration(rows[at]?.[`latency_${each}_ms`]),
                }))}
              />
            );
          }}
        </Loaded>
      </Card>
      <Card title="Throughput" hint={`calls a second, by ${step}`}>
        <Loaded asked={asked} skeleton={<Skeleton className="m-4 h-48" />} isEmpty={(data) => data.rows.length === 0} empty={empty}>
          {(answer) => {
            const times = stepsOf(answer, step);
            const found = byStep(answer.rows);
            const rows = times.map((at) => found.get(at));
            return (
              <LazyChart
                label={`Calls a second by ${step}`}
                kind="area"
                height={190}
                syncKey="performance"
                step={STEP_S[step]}
                range={rangeOf(answer)}
                times={times}
                axis={perSecond}
                series={[
                  {
                    name: "Calls",
                    color: "var(--s5)",
                    at: rows.map((row) => row?.calls_per_second ?? 0),
                    write: (at) => `${perSecond(rows[at]?.calls_per_second ?? 0)}, ${percent(rows[at]?.error_rate)} errors, ${perSecond(rows[at]?.output_tokens_per_second)} tokens`,
                  },
                ]}
              />
            );
          }}
        </Loaded>
      </Card>
    </div>
  );
}
