import { lazy, Suspense } from "react";
import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Page } from "@/components/Page";
import { SkeletonRows } from "@/components/states";
import { Tabs } from "@/components/Tabs";
import { Watermark } from "@/components/Watermark";
import { asQuery, named } from "@/lib/period";
import { useView } from "@/lib/view";
import { CallSheet } from "./CallSheet";
import { CostFigures } from "./CostFigures";
import { Spend } from "./Spend";

const Budgets = lazy(() => import("./Budgets"));
const Inexact = lazy(() => import("./Inexact"));
const Repricing = lazy(() => import("./Repricing"));
const Waste = lazy(() => import("./Waste"));

const TABS = [
  ["spend", "Spend"],
  ["budgets", "Budgets"],
  ["waste", "Waste"],
  ["inexact", "Unpriced and estimated"],
  ["repricing", "Re-pricing"],
] as const;

/** What calls cost: by anything, over time, down to the call; what was wasted, what is not exact yet, what may be spent. */
export default function Costs() {
  const { period, filters, search, set } = useView();
  const [tab] = TABS.find(([id]) => id === search.get("tab")) ?? TABS[0];
  const costs = useAnswer("/api/v1/analytics/costs", { query: { ...asQuery(period), ...filters, compare: "previous" } });
  return (
    <Page title="Costs" watermark={<Watermark until={costs.data?.watermark} complete={costs.data?.complete ?? false} />}>
      <Card title={named(period)} hint="against the period of the same length before it">
        <CostFigures costs={costs} />
      </Card>
      <Tabs label="Costs" value={tab} onChange={(next) => set({ tab: next === "spend" ? null : next }, "push")} tabs={TABS}>
          <div className="mt-4 space-y-4">
            <Suspense fallback={<SkeletonRows />}>
              {tab === "spend" ? <Spend /> : null}
              {tab === "budgets" ? <Budgets /> : null}
              {tab === "waste" ? <Waste /> : null}
              {tab === "inexact" ? <Inexact /> : null}
              {tab === "repricing" ? <Repricing /> : null}
            </Suspense>
          </div>
      </Tabs>
      <CallSheet />
    </Page>
  );
}
