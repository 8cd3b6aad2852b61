import { useAnswer } from "@/api/useAnswer";
import { Page } from "@/components/Page";
import { Watermark } from "@/components/Watermark";
import { asQuery } from "@/lib/period";
import { useView } from "@/lib/view";
import { OverTime } from "./OverTime";
import { PeriodFigures } from "./PeriodFigures";
import { SideBySide } from "./SideBySide";
import { Slowest } from "./Slowest";
import { Spread } from "./Spread";
import { WhereItGoes } from "./WhereItGoes";

/** How long calls take and where that time goes, down to the slowest of them. */
export default function Performance() {
  const { period, filters } = useView();
  const whole = useAnswer("/api/v1/analytics/performance", { query: { ...asQuery(period), ...filters, compare: "previous" } });
  return (
    <Page title="Performance" watermark={<Watermark until={whole.data?.watermark} complete={whole.data?.complete ?? false} />}>
      <PeriodFigures asked={whole} />
      <div className="grid gap-4 xl:grid-cols-2">
        <WhereItGoes />
        <Slowest />
      </div>
      <Spread />
      <OverTime />
      <SideBySide />
    </Page>
  );
}
