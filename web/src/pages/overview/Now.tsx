import { type Live, SECONDS_KEPT, useLive } from "@/api/live";
import { Card } from "@/components/Card";
import { cx } from "@/components/classes";
import { Figure, Figures } from "@/components/Figure";
import { LazyChart } from "@/components/LazyChart";
import { Skeleton } from "@/components/states";
import { pixels } from "@/lib/decimal";
import { axisUsd, clock, count, duration, exactCount, exactTime, exactUsd, NOTHING, si, usd } from "@/lib/format";
import { useView } from "@/lib/view";

/** The last minute that is complete, and each second of the last five. */
export function Now() {
  const { filters } = useView();
  const tenant = filters.tenant?.length === 1 ? (filters.tenant[0] ?? null) : null;
  const live = useLive(tenant);
  return (
    <Card
      title="Now"
      hint={`the last minute${tenant === null ? "" : ` of ${tenant}`}, as calls end`}
      aside={<Pulse live={live} />}
    >
      {live.minute ? <Minute live={live} /> : <Waiting live={live} />}
    </Card>
  );
}

function Waiting({ live }: { readonly live: Live }) {
  return live.state === "broken" ? (
    <p role="alert" className="px-4 py-6 text-[13px] text-soft">
      The live feed is away: {live.problem}. It is tried again by itself.
    </p>
  ) : (
    <Skeleton className="m-4 h-40" />
  );
}

function Pulse({ live }: { readonly live: Live }) {
  const tone = live.state === "open" ? "bg-good" : live.state === "broken" ? "bg-bad" : "bg-soft";
  const said = { open: "live", broken: "away, trying again", connecting: "connecting" }[live.state];
  return (
    <span
      className="inline-flex items-center gap-1.5 text-xs text-soft"
      data-testid="live"
      data-until={live.until ?? ""}
      title={live.until === null ? "nothing is complete yet" : `complete to ${exactTime(live.until)}`}
    >
      <span aria-hidden className={cx("size-1.5 rounded-full", tone)} />
      {said}
      {live.until === null ? null : `, complete to ${clock(live.until)}`}
    </span>
  );
}

function Minute({ live }: { readonly live: Live }) {
  const { minute } = live;
  if (!minute) return null;
  return (
    <>
      <Figures label="Figures of the last minute">
        <Figure name="Calls" testId="live-calls" value={count(minute.calls)} exact={exactCount(minute.calls)} note="in a minute" />
        <Figure
          name="Cost"
          testId="live-cost"
          value={usd(minute.cost_usd)}
          exact={exactUsd(minute.cost_usd)}
          note={minute.unpriced_calls > 0 ? `${count(minute.unpriced_calls)} unpriced` : "in a minute"}
        />
        <Figure name="Tokens read" value={count(minute.input_tokens)} exact={exactCount(minute.input_tokens)} />
        <Figure name="Tokens written" value={count(minute.output_tokens)} exact={exactCount(minute.output_tokens)} />
        <Figure name="Errors" value={<span className={minute.errors > 0 ? "text-bad" : ""}>{count(minute.errors)}</span>} />
        <Figure name="Latency p95" value={duration(minute.latency_p95_ms)} note={`p50 ${duration(minute.latency_p50_ms)}`} />
        <Figure name="First token p95" value={duration(minute.ttft_p95_ms)} />
        <Figure name="In flight" testId="in-flight" value={live.inFlight === null ? NOTHING : count(live.inFlight)} />
      </Figures>
      <SecondBySecond live={live} />
    </>
  );
}

/** Two charts of the same five minutes: seconds without calls are 0. */
function SecondBySecond({ live }: { readonly live: Live }) {
  const end = live.until === null ? 0 : Math.floor(Date.parse(live.until) / 1000);
  const known = new Map(live.seconds);
  const times = Array.from({ length: SECONDS_KEPT }, (_, index) => end - SECONDS_KEPT + index);
  const at = times.map((second) => known.get(second));
  const range = [end - SECONDS_KEPT, end] as const;
  return (
    <div className="grid border-t md:grid-cols-2 md:divide-x">
      <LazyChart
        label="Calls and errors each second of the last five minutes"
        kind="area"
        height={120}
        syncKey="now"
        times={times}
        range={range}
        axis={si}
        series={[
          { name: "Calls a second", at: at.map((each) => each?.calls ?? 0), write: (index) => count(at[index]?.calls ?? 0) },
          { name: "Errors", color: "var(--bad)", at: at.map((each) => each?.errors ?? 0), write: (index) => count(at[index]?.errors ?? 0) },
        ]}
      />
      <LazyChart
        label="Cost each second of the last five minutes"
        kind="area"
        height={120}
        syncKey="now"
        times={times}
        range={range}
        axis={axisUsd}
        series={[
          {
            name: "Cost a second",
            color: "var(--s2)",
            at: at.map((each) => (each ? pixels(each.cost_usd) : 0)),
            write: (index) => usd(at[index]?.cost_usd ?? "0"),
          },
        ]}
      />
    </div>
  );
}
