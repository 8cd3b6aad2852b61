import { duration, percent } from "@/lib/format";

/** What the time of a call is made of, in the order in which it goes by. */
export const TIME_PARTS = [
  ["waiting", "Waiting", "published until a worker took it", "var(--s8)"],
  ["policy", "Policy", "taken until sent: budgets, limits, routing", "var(--s3)"],
  ["first_token", "First token", "sent until the first token came", "var(--s1)"],
  ["streaming", "Streaming", "first token to the last byte", "var(--s2)"],
  ["unsplit", "Whole answer", "sent until the last byte, of calls that tell of no first token", "var(--s5)"],
] as const;

export type TimePart = (typeof TIME_PARTS)[number][0];

interface Props {
  /** What it is the time of. */
  readonly label: string;
  /** How much of the whole each part is, from 0 to 1, or in any other unit that they share. */
  readonly parts: Readonly<Partial<Record<TimePart, number | null>>>;
  readonly unit: "share" | "ms";
  readonly className?: string;
}

/** What the colours of such bars say. */
export function TimeLegend() {
  return (
    <ul aria-label="Parts of the time" className="flex flex-wrap gap-x-4 gap-y-1 border-b px-4 py-2 text-xs text-soft">
      {TIME_PARTS.map(([id, name, about, color]) => (
        <li key={id} className="flex items-center gap-1.5" title={about}>
          <span aria-hidden className="size-2 rounded-xs" style={{ background: color }} />
          {name}
        </li>
      ))}
    </ul>
  );
}

/** A bar of the parts of time side by side: beside their figures, never instead of them. */
export function TimeSplit({ label, parts, unit, className = "h-3" }: Props) {
  const there = TIME_PARTS.flatMap(([id, name, , color]) => {
    const value = parts[id];
    return value === null || value === undefined || value <= 0 ? [] : [{ id, name, color, value }];
  });
  const written = there.map(({ name, value }) => `${name} ${unit === "ms" ? duration(value) : percent(value)}`);
  return (
    <div role="img" aria-label={`${label}: ${written.join(", ") || "nothing is told of it"}`} className={`flex w-full min-w-24 gap-px overflow-hidden rounded-sm bg-raised ${className}`}>
      {there.map(({ id, value, color }, index) => (
        <span key={id} title={written[index]} className="h-full min-w-0.5" style={{ flexGrow: value, flexBasis: 0, background: color }} />
      ))}
    </div>
  );
}
