import type { AnalyticsAnswerPerformanceRow } from "@/api/schema";
import type { Asked } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Delta, Figure, Figures } from "@/components/Figure";
import { Empty, Loaded, Skeleton } from "@/components/states";
import { count, duration, exactCount, percent, perSecond } from "@/lib/format";
import { named } from "@/lib/period";
import { useView } from "@/lib/view";

const LATENCIES = [
  ["Latency p50", "latency_p50_ms", "half of all calls take no longer"],
  ["Latency p95", "latency_p95_ms", "95 of 100 calls take no longer"],
  ["Latency p99", "latency_p99_ms", "99 of 100 calls take no longer"],
  ["First token p50", "ttft_p50_ms", "half of all first tokens come no later"],
  ["First token p95", "ttft_p95_ms", "95 of 100 first tokens come no later"],
] as const;

/** The figures of the period against those of the period before. */
export function PeriodFigures({ asked }: { readonly asked: Asked<AnalyticsAnswerPerformanceRow> }) {
  const { period } = useView();
  return (
    <Card title={named(period)} hint="against the period of the same length before it">
      <Loaded
        asked={asked}
        skeleton={<Skeleton className="m-4 h-16" />}
        isEmpty={(data) => data.rows.length === 0}
        empty={<Empty title="No calls in this period">Choose a longer period, or send a request: observatory demo.</Empty>}
      >
        {({ rows: [now] }) =>
          now === undefined ? null : (
            <Figures label="Figures of the period">
              {LATENCIES.map(([name, field, what]) => (
                <Figure
                  key={field}
                  name={name}
                  testId={field}
                  value={duration(now[field])}
                  exact={now[field] === null ? "no call tells of it" : `${what}: ${now[field].toFixed(3)} ms, at most 1.09 % off`}
                  delta={<Delta now={now[field]} before={now.previous?.[field]} more="bad" write={duration} />}
                />
              ))}
              <Figure
                name="Errors"
                testId="errors"
                value={percent(now.error_rate)}
                exact={`${exactCount(now.errors)} of ${exactCount(now.calls)} calls`}
                delta={<Delta now={now.error_rate} before={now.previous?.error_rate} more="bad" write={percent} />}
              />
              <Figure
                name="Throughput"
                testId="throughput"
                value={perSecond(now.calls_per_second)}
                exact={`${exactCount(now.calls)} calls, over the whole period`}
                delta={<Delta now={now.calls_per_second} before={now.previous?.calls_per_second} />}
                note={`${count(now.calls)} calls`}
              />
              <Figure
                name="Tokens written"
                value={perSecond(now.output_tokens_per_second)}
                exact={`${exactCount(now.output_tokens)} tokens, over the whole period`}
                delta={<Delta now={now.output_tokens_per_second} before={now.previous?.output_tokens_per_second} />}
              />
            </Figures>
          )
        }
      </Loaded>
    </Card>
  );
}
