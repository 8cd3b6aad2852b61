import type { Asked } from "@/api/useAnswer";
import type { AnalyticsAnswerCostRow, AnalyticsAnswerPerformanceRow, CostFigures, PerformanceFigures } from "@/api/schema";
import { Delta, Figure, Figures } from "@/components/Figure";
import { Empty, Failed, Skeleton, Stale } from "@/components/states";
import { count, duration, exactCount, exactUsd, percent, usd } from "@/lib/format";

interface Props {
  readonly costs: Asked<AnalyticsAnswerCostRow>;
  readonly performance: Asked<AnalyticsAnswerPerformanceRow>;
}

/** The figures of the period, each with how much it differs from the period before. */
export function PeriodFigures({ costs, performance }: Props) {
  const failed = costs.error ?? performance.error;
  const retry = () => void Promise.all([costs.refetch(), performance.refetch()]);
  if (costs.data === undefined || performance.data === undefined) {
    if (failed) return <Failed error={failed} retry={retry} retrying={costs.isFetching || performance.isFetching} />;
    return <Skeleton className="m-4 h-16" />;
  }
  const cost = costs.data.rows[0];
  const how = performance.data.rows[0];
  return (
    <>
      {failed ? <Stale error={failed} retry={retry} /> : null}
      {cost && how ? (
        <Known cost={cost} costBefore={cost.previous ?? null} how={how} howBefore={how.previous ?? null} />
      ) : (
        <Empty title="No calls in this period">Choose a longer period, or send a request: observatory demo.</Empty>
      )}
    </>
  );
}

interface KnownProps {
  readonly cost: CostFigures;
  readonly costBefore: CostFigures | null;
  readonly how: PerformanceFigures;
  readonly howBefore: PerformanceFigures | null;
}

function Known({ cost, costBefore, how, howBefore }: KnownProps) {
  return (
    <Figures label="Figures of the period">
      <Figure
        name="Cost"
        testId="cost"
        value={usd(cost.cost_usd)}
        exact={exactUsd(cost.cost_usd)}
        delta={<Delta now={cost.cost_usd} before={costBefore?.cost_usd} more="bad" write={usd} />}
        note={cost.unpriced_calls > 0 ? `${count(cost.unpriced_calls)} unpriced` : null}
      />
      <Figure
        name="Calls"
        testId="calls"
        value={count(cost.calls)}
        exact={exactCount(cost.calls)}
        delta={<Delta now={cost.calls} before={costBefore?.calls} write={count} />}
      />
      <Figure
        name="Tokens"
        testId="tokens"
        value={count(cost.tokens)}
        exact={`${exactCount(cost.input_tokens)} read, ${exactCount(cost.output_tokens)} written`}
        delta={<Delta now={cost.tokens} before={costBefore?.tokens} write={count} />}
      />
      <Figure
        name="Errors"
        testId="errors"
        value={percent(how.error_rate)}
        exact={`${exactCount(how.errors)} of ${exactCount(how.calls)} calls`}
        delta={<Delta now={how.error_rate} before={howBefore?.error_rate} more="bad" write={percent} />}
      />
      <Figure
        name="Latency p50"
        value={duration(how.latency_p50_ms)}
        delta={<Delta now={how.latency_p50_ms} before={howBefore?.latency_p50_ms} more="bad" write={duration} />}
      />
      <Figure
        name="Latency p95"
        testId="p95"
        value={duration(how.latency_p95_ms)}
        delta={<Delta now={how.latency_p95_ms} before={howBefore?.latency_p95_ms} more="bad" write={duration} />}
      />
      <Figure
        name="First token p95"
        value={duration(how.ttft_p95_ms)}
        delta={<Delta now={how.ttft_p95_ms} before={howBefore?.ttft_p95_ms} more="bad" write={duration} />}
      />
    </Figures>
  );
}
