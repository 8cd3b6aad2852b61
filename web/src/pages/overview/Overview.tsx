import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Page } from "@/components/Page";
import { Watermark } from "@/components/Watermark";
import { asQuery, named } from "@/lib/period";
import { useView } from "@/lib/view";
import { Changes } from "./Changes";
import { Now } from "./Now";
import { OverTime } from "./OverTime";
import { PeriodFigures } from "./PeriodFigures";

/** What is going on, now and in a period, against the period before. */
export default function Overview() {
  const { period, filters } = useView();
  const query = { ...asQuery(period), ...filters, compare: "previous" };
  const costs = useAnswer("/api/v1/analytics/costs", { query });
  const performance = useAnswer("/api/v1/analytics/performance", { query });
  const known = costs.data !== undefined || costs.isError; // the figures come before everything else
  return (
    <Page title="Overview" watermark={<Watermark until={costs.data?.watermark} complete={costs.data?.complete ?? false} />}>
      <Now />
      <Card title={named(period)} hint="against the period of the same length before it">
        <PeriodFigures costs={costs} performance={performance} />
        <OverTime enabled={known} />
      </Card>
      <Changes total={costs.data?.rows[0]} enabled={known} />
    </Page>
  );
}
