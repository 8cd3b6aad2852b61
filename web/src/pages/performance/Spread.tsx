import { lazy, Suspense } from "react";
import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Select } from "@/components/Select";
import { Empty, Loaded, Skeleton } from "@/components/states";
import { asQuery, granularity, rangeOf, STEP_S } from "@/lib/period";
import { useView } from "@/lib/view";

const HeatMap = lazy(async () => ({ default: (await import("./HeatMap")).HeatMap }));

const MEASURES = [
  ["latency", "Whole calls"],
  ["ttft", "First tokens"],
] as const;

/** The distribution of latency over time: what an average hides. */
export function Spread() {
  const { period, filters, search, set } = useView();
  const [of, name] = MEASURES.find(([id]) => id === search.get("of")) ?? MEASURES[0];
  const step = granularity(period);
  const asked = useAnswer("/api/v1/analytics/latency/distribution", { query: { ...asQuery(period), ...filters, of, granularity: step } });
  const skeleton = <Skeleton className="m-4 h-64" />;
  return (
    <Card
      title="How latency is spread"
      hint={`calls by how long they took, by ${step}; choose a cell for its slowest calls`}
      aside={<Select label="Spread of" value={of} options={MEASURES} onChange={(next) => set({ of: next })} />}
    >
      <Loaded asked={asked} skeleton={skeleton} isEmpty={(data) => data.rows.every((row) => row.calls === 0)} empty={<Empty title="No call of this period tells how long it took" />}>
        {({ rows, ...answer }) => (
          <Suspense fallback={skeleton}>
            <HeatMap label={`${name} by ${step} and by how long they took`} rows={rows} range={rangeOf(answer)} step={STEP_S[step]} />
          </Suspense>
        )}
      </Loaded>
    </Card>
  );
}
