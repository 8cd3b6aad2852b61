import type { ComparisonRow } from "@/api/schema";
import { type Interval, intervalOf, METRIC_NAMES, shownAs } from "./conclusions";

interface Props {
  readonly metric: ComparisonRow["metric"];
  readonly rows: readonly ComparisonRow[];
}

/** A metric's confidence sequences, one under the other on one scale, the control at the line. */
export function Intervals({ metric, rows }: Props) {
  const intervals = rows.map(intervalOf);
  const ends = intervals.flatMap((each) => (each ? [each.low, each.high] : []));
  const least = Math.min(0, ...ends);
  const most = Math.max(0, ...ends);
  const room = (most - least || 1) * 0.08;
  const place = (value: number) => ((value - least + room) / (most - least + 2 * room)) * 100;
  return (
    <section aria-label={METRIC_NAMES[metric]} className="border-t px-4 py-3 first:border-t-0">
      <h3 className="text-xs font-medium text-soft">{METRIC_NAMES[metric]}</h3>
      <ul className="mt-1 space-y-1">
        {rows.map((row, index) => (
          <li key={row.variant} className="grid grid-cols-[6rem_minmax(0,1fr)] items-center gap-x-3 sm:grid-cols-[8rem_minmax(0,1fr)_19rem]">
            <span className="truncate text-[13px] font-medium">{row.variant}</span>
            <Drawing interval={intervals[index] ?? null} color={shownAs(row.conclusion).color} place={place} />
            <Written interval={intervals[index] ?? null} row={row} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface DrawingProps {
  readonly interval: Interval | null;
  readonly color: string;
  readonly place: (value: number) => number;
}

function Drawing({ interval, color, place }: DrawingProps) {
  return (
    <span aria-hidden className="relative block h-7 overflow-hidden rounded bg-raised/60">
      <span className="absolute inset-y-0 w-px bg-soft" style={{ left: `${place(0)}%` }} />
      {interval === null ? null : (
        <>
          <span
            className="absolute top-1/2 h-2 -translate-y-1/2 rounded-full opacity-35"
            style={{ left: `${place(interval.low)}%`, width: `${Math.max(0.4, place(interval.high) - place(interval.low))}%`, background: color }}
          />
          <span
            className="absolute top-1/2 size-2.5 -translate-x-1/2 -translate-y-1/2 rounded-full"
            style={{ left: `${place(interval.middle)}%`, background: color }}
          />
        </>
      )}
    </span>
  );
}

function Written({ interval, row }: { readonly interval: Interval | null; readonly row: ComparisonRow }) {
  return (
    <span className="text-xs text-soft max-sm:col-span-2">
      {interval === null ? (
        shownAs(row.conclusion).name
      ) : (
        <>
          <b className="text-[13px] font-semibold text-ink">{interval.write(interval.middle)}</b> between {interval.write(interval.low)} and{" "}
          {interval.write(interval.high)}
        </>
      )}
    </span>
  );
}
