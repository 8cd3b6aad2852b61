import type { AnomalyRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Money } from "@/components/Figure";
import { Message } from "@/components/Message";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { Watermark } from "@/components/Watermark";
import { clock, count, duration, exactTime, percent } from "@/lib/format";
import { asQuery, named } from "@/lib/period";
import { useView } from "@/lib/view";
import { Calls } from "./Evidence";

const STATES = [
  ["all", "Open and over"],
  ["standing", "Open"],
  ["resolved", "Over"],
] as const;
type State = (typeof STATES)[number][0];

const METRICS: Readonly<Record<AnomalyRow["metric"], string>> = {
  cost_rate: "Cost",
  error_rate: "Errors",
  latency_p95: "Latency p95",
  tokens_per_call: "Tokens a call",
};

/** What strayed from the usual in the period: what changed, by how much, and the calls behind it. */
export function Anomalies() {
  const { period, search, set } = useView();
  const state = STATES.find(([name]) => name === search.get("state"))?.[0] ?? "all";
  const asked = useAnswer("/api/v1/analytics/anomalies", { query: { ...asQuery(period), state, limit: 100 } });
  return (
    <>
      <div className="flex flex-wrap items-center gap-3 px-4 pt-3 pb-2">
        <Watermark until={asked.data?.watermark} complete={asked.data?.complete ?? false} />
        <div className="ml-auto">
          <Select<State> label="Which anomalies" value={state} options={STATES} onChange={(next) => set({ state: next === "all" ? null : next }, "push")} />
        </div>
      </div>
      <Loaded
        asked={asked}
        isEmpty={(data) => data.rows.length === 0}
        empty={<Empty title={`Nothing strayed from the usual: ${named(period).toLowerCase()}`}>Cost, errors, latency and tokens of each tenant and model are watched.</Empty>}
      >
        {(data) => (
          <ul aria-label="Anomalies" className="divide-y border-t">
            {data.rows.map((row) => (
              <Anomaly key={row.alert_id} row={row} />
            ))}
          </ul>
        )}
      </Loaded>
    </>
  );
}

function Anomaly({ row }: { readonly row: AnomalyRow }) {
  const over = row.resolved_at !== null;
  return (
    <li className="px-4 py-2.5">
      <div className="flex flex-wrap items-baseline gap-x-2 gap-y-1 text-[13px]">
        <Badge tone={over ? "neutral" : row.severity === "critical" ? "bad" : "warn"}>{over ? "over" : row.severity}</Badge>
        <span className="min-w-0 flex-1 basis-64 font-medium break-words">
          <Message text={row.message} />
        </span>
      </div>
      <p className="mt-0.5 text-xs text-soft">
        {METRICS[row.metric]} of {row.tenant_id} on {row.model} · {row.factor.toFixed(2)} times the usual
        {row.peak_factor === null ? "" : `, ${row.peak_factor.toFixed(2)} times at its peak`} · <Seen row={row} /> · {count(row.calls)} calls · since{" "}
        <time dateTime={row.since} title={exactTime(row.since)}>
          {clock(row.since)}
        </time>
        {row.resolved_at === null ? null : (
          <>
            , over{" "}
            <time dateTime={row.resolved_at} title={exactTime(row.resolved_at)}>
              {clock(row.resolved_at)}
            </time>{" "}
            ({row.resolved_because})
          </>
        )}
      </p>
      <Why row={row} />
      <Calls ids={row.look_at} />
    </li>
  );
}

function Seen({ row }: { readonly row: AnomalyRow }) {
  if (row.seen_usd !== null && row.seen_s !== null && row.usual_s !== null) {
    return (
      <>
        <Money amount={row.seen_usd} /> in {duration(row.seen_s * 1000)}, <Money amount={row.usual_usd} /> in the {duration(row.usual_s * 1000)} before
      </>
    );
  }
  const write = row.metric === "error_rate" ? percent : row.metric === "latency_p95" ? duration : count;
  return (
    <>
      {write(row.seen)}, usually {write(row.expected)}
    </>
  );
}

/** What of a cost changed: how many calls, or what a token costs. */
function Why({ row }: { readonly row: AnomalyRow }) {
  if (row.calls_factor === null && row.price_factor === null) return null;
  return (
    <p className="mt-0.5 text-xs text-soft">
      What changed: {row.calls_factor === null ? null : `${row.calls_factor.toFixed(2)} times as many calls`}
      {row.calls_factor !== null && row.price_factor !== null ? ", " : null}
      {row.price_factor === null ? null : `a token costs ${row.price_factor.toFixed(2)} times as much`}
    </p>
  );
}
