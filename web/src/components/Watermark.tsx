import { ago, clock, exactTime } from "@/lib/format";
import { useNow } from "@/lib/now";
import { cx } from "./classes";

interface Props {
  /** Up to when everything is in the figures; null: not every partition was read yet. */
  readonly until: string | null | undefined;
  /** Whether that has passed the period's end. */
  readonly complete?: boolean;
}

/** "complete to 14:03:05": what every figure carries. */
export function Watermark({ until, complete = false }: Props) {
  const now = useNow();
  if (until === undefined) return null;
  const late = until !== null && now - Date.parse(until) > 60_000 && !complete;
  return (
    <span
      className={cx("inline-flex items-center gap-1.5 text-xs whitespace-nowrap", late || until === null ? "text-warn" : "text-soft")}
      title={until === null ? "not every partition of llm.calls was read yet" : `everything up to ${exactTime(until)} is in these figures`}
    >
      <span aria-hidden className={cx("size-1.5 rounded-full", late || until === null ? "bg-warn" : "bg-good")} />
      {until === null ? "not complete yet" : `complete to ${clock(until)}`}
      {late ? ` (${ago(until, now)})` : null}
    </span>
  );
}
