import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Page } from "@/components/Page";
import { Skeleton } from "@/components/states";
import { Watermark } from "@/components/Watermark";
import { asQuery, named } from "@/lib/period";
import { useView } from "@/lib/view";
import { PeriodFigures } from "./PeriodFigures";

/** What is going on, now and in a period, against the period before. */
export default function Overview() {
  const { period, filters } = useView();
  const query = { ...asQuery(period), ...filters, compare: "previous" };
  const costs = useAnswer("/api/v1/analytics/costs", { query });
  const performance = useAnswer("/api/v1/analytics/performance", { query });
  return (
    <Page title="Overview" watermark={<Watermark until={costs.data?.watermark} complete={costs.data?.complete ?? false} />}>
      <Card title={named(period)} hint="against the period of the same length before it">
        {costs.isPending && performance.isPending ? <Skeleton className="m-4 h-16" /> : <PeriodFigures costs={costs} performance={performance} />}
      </Card>
    </Page>
  );
}
