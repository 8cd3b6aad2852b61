import { Page } from "@/components/Page";
import { Tabs } from "@/components/Tabs";
import { Watermark } from "@/components/Watermark";
import { useAnswer } from "@/api/useAnswer";
import { asQuery } from "@/lib/period";
import { useView } from "@/lib/view";
import { Experiments } from "./Experiments";
import { OneExperiment } from "./OneExperiment";
import { Said } from "./Said";
import { Scores } from "./Scores";

const VIEWS = [
  ["experiments", "Experiments"],
  ["scores", "Scores over time"],
  ["said", "What people said"],
] as const;
type ViewName = (typeof VIEWS)[number][0];

/** Which variant wins, and how good answers were. */
export default function Quality() {
  const { period, search, set } = useView();
  const view = VIEWS.find(([name]) => name === search.get("view"))?.[0] ?? "experiments";
  const fresh = useAnswer("/api/v1/analytics/quality", { query: { ...asQuery(period), granularity: "none", group_by: "", limit: 1 } });
  const shown = search.get("shown");
  return (
    <Page
      title="Quality and experiments"
      filters={view !== "experiments"}
      watermark={<Watermark until={fresh.data?.watermark} complete={fresh.data?.complete ?? false} />}
    >
      <div className="rounded-lg border bg-surface">
        <Tabs<ViewName>
          label="Quality and experiments"
          value={view}
          onChange={(next) => set({ view: next === "experiments" ? null : next, shown: null, of: null }, "push")}
          tabs={VIEWS}
        >
          {view === "experiments" ? shown === null ? <Experiments /> : <OneExperiment id={shown} tenant={search.get("of")} /> : null}
          {view === "scores" ? <Scores /> : null}
          {view === "said" ? <Said /> : null}
        </Tabs>
      </div>
    </Page>
  );
}
