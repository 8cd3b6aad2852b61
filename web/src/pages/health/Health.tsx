import { useAnswer } from "@/api/useAnswer";
import { Page } from "@/components/Page";
import { Tabs } from "@/components/Tabs";
import { Watermark } from "@/components/Watermark";
import { useView } from "@/lib/view";
import { Alerts } from "./Alerts";
import { Anomalies } from "./Anomalies";
import { DeadLetters } from "./DeadLetters";
import { Processes } from "./Processes";
import { Recommendations } from "./Recommendations";
import { Verdict } from "./Verdict";

const VIEWS = [
  ["alerts", "Alerts"],
  ["anomalies", "Anomalies"],
  ["processes", "Processes and providers"],
  ["letters", "Dead letters"],
  ["savings", "What could be saved"],
] as const;
type ViewName = (typeof VIEWS)[number][0];

const EVERY_MS = 5_000;
/** Views that are about a period; the others are about now. */
const OF_A_PERIOD: ReadonlySet<ViewName> = new Set<ViewName>(["anomalies"]);

/** Whether anything is wrong right now, and all that tells of it. */
export default function Health() {
  const { search, set } = useView();
  const view = VIEWS.find(([name]) => name === search.get("view"))?.[0] ?? "alerts";
  const status = useAnswer("/api/v1/status", {}, { every: EVERY_MS });
  return (
    <Page
      title="Alerts and health"
      period={OF_A_PERIOD.has(view)}
      filters={false}
      watermark={<Watermark until={status.data?.watermark} />}
    >
      <Verdict asked={status} />
      <div className="rounded-lg border bg-surface">
        <Tabs<ViewName>
          label="Alerts and health"
          value={view}
          onChange={(next) => set({ view: next === "alerts" ? null : next, state: null, topic: null, kind: null, cursor: null }, "push")}
          tabs={VIEWS}
        >
          {view === "alerts" ? <Alerts /> : null}
          {view === "anomalies" ? <Anomalies /> : null}
          {view === "processes" ? <Processes status={status} /> : null}
          {view === "letters" ? <DeadLetters /> : null}
          {view === "savings" ? <Recommendations /> : null}
        </Tabs>
      </div>
    </Page>
  );
}
