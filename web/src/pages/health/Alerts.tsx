import { Link } from "wouter";
import type { AlertView } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Message } from "@/components/Message";
import { Pager } from "@/components/Pager";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { ago, clock, exactTime } from "@/lib/format";
import { useNow } from "@/lib/now";
import { useView } from "@/lib/view";
import { Evidence } from "./Evidence";

const STATES = [
  ["standing", "Open"],
  ["resolved", "Over"],
  ["all", "Open and over"],
] as const;
type State = (typeof STATES)[number][0];

const KINDS = [
  ["", "All kinds"],
  ["budget_threshold", "Budgets"],
  ["unpriced_model", "Models without a price"],
  ["anomaly", "Anomalies"],
] as const;
type Kind = (typeof KINDS)[number][0];

/** Alerts, newest first, each with what it was raised for. */
export function Alerts() {
  const { search, set } = useView();
  const state = STATES.find(([name]) => name === search.get("state"))?.[0] ?? "standing";
  const kind = KINDS.find(([name]) => name === search.get("kind"))?.[0] ?? "";
  const chosen = { state, of: "all", fold: true, kind: kind || null, cursor: search.get("cursor"), limit: 25 };
  const asked = useAnswer("/api/v1/alerts", { query: chosen }, { every: 5_000 });
  const choose = (changes: Record<string, string | null>) => set({ ...changes, cursor: null }, "push");
  const empty =
    state === "standing" ? (
      <Empty title="No alert is open">Alerts come when a budget reaches a threshold, a model has no price, or figures stray from the usual.</Empty>
    ) : (
      <Empty title="There are none" />
    );
  return (
    <>
      <div className="flex flex-wrap items-center justify-end gap-2 px-4 pt-3 pb-2">
        <Select<Kind> label="Which kind" value={kind} options={KINDS} onChange={(next) => choose({ kind: next || null })} />
        <Select<State> label="Which alerts" value={state} options={STATES} onChange={(next) => choose({ state: next === "standing" ? null : next })} />
      </div>
      <Loaded asked={asked} isEmpty={(data) => data.alerts.length === 0} empty={empty}>
        {(data) => (
          <>
            <ul aria-label="Alerts" className="divide-y border-t">
              {data.alerts.map((alert) => (
                <Alert key={alert.alert_id} alert={alert} />
              ))}
            </ul>
            <Pager next={data.next_cursor} />
          </>
        )}
      </Loaded>
    </>
  );
}

/** The lower thresholds of the same budget and period, which were reached before. */
function Lower({ folded }: Required<Pick<AlertView, "folded">>) {
  if (folded.length === 0) return null;
  return (
    <details className="mt-1 text-xs">
      <summary className="w-fit text-soft hover:text-ink">
        {folded.length === 1 ? "A lower threshold was" : `${folded.length} lower thresholds were`} reached before
      </summary>
      <ul className="mt-1 space-y-0.5">
        {folded.map((each) => (
          <li key={each.alert_id}>
            <Message text={each.message} />{" "}
            <time dateTime={each.raised_at} title={exactTime(each.raised_at)} className="text-soft">
              {clock(each.raised_at)}
            </time>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Where one does something about an alert of a kind. */
const PLACES: Readonly<Record<string, readonly [string, string]>> = {
  budget_threshold: ["/costs?tab=budgets", "Budgets"],
  unpriced_model: ["/costs?tab=inexact", "What has no price"],
  anomaly: ["?view=anomalies&last=24h", "Anomalies"],
};

function Alert({ alert }: { readonly alert: AlertView }) {
  const now = useNow();
  const place = PLACES[alert.kind];
  const over = alert.resolved_at !== null;
  return (
    <li className="px-4 py-2.5">
      <div className="flex flex-wrap items-baseline gap-x-2 gap-y-1 text-[13px]">
        <Badge tone={over ? "neutral" : alert.severity === "critical" ? "bad" : "warn"}>{over ? "over" : alert.severity}</Badge>
        <span className="min-w-0 flex-1 basis-64 font-medium break-words">
          <Message text={alert.message} />
        </span>
        {place ? (
          <Link href={place[0]} className="text-xs font-medium text-accent hover:underline">
            {place[1]}
          </Link>
        ) : null}
      </div>
      <p className="mt-0.5 text-xs text-soft">
        {alert.kind.replaceAll("_", " ")} · {alert.tenant_id} · raised{" "}
        <time dateTime={alert.raised_at} title={exactTime(alert.raised_at)}>
          {clock(alert.raised_at)} ({ago(alert.raised_at, now)})
        </time>
        {alert.resolved_at === null ? null : (
          <>
            , over{" "}
            <time dateTime={alert.resolved_at} title={exactTime(alert.resolved_at)}>
              {clock(alert.resolved_at)}
            </time>
          </>
        )}
      </p>
      <Lower folded={alert.folded ?? []} />
      <Evidence title="Details" values={alert.details} />
    </li>
  );
}
