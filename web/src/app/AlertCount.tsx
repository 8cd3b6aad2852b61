import { useAnswer } from "@/api/useAnswer";
import { cx } from "@/components/classes";

const EVERY_MS = 15_000;

/** How many alerts are open, beside the page that shows them; nothing where there are none. */
export function AlertCount() {
  const { data } = useAnswer("/api/v1/alerts/standing", {}, { every: EVERY_MS });
  if (!data || data.alerts === 0) return null;
  const critical = data.critical > 0;
  return (
    <span
      data-testid="open-alerts"
      className={cx("ml-auto rounded-full px-1.5 py-0.5 text-[11px] leading-none font-semibold", critical ? "bg-bad-wash text-bad" : "bg-warn-wash text-warn")}
    >
      {data.alerts}
      <span className="sr-only"> open</span>
    </span>
  );
}
