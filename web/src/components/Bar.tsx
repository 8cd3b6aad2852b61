import { shareInPermille } from "@/lib/decimal";

interface Props {
  readonly part: string;
  readonly whole: string;
  readonly color?: string;
}

/** How large a part is, as a thin bar: beside its figure, never instead of it. */
export function Bar({ part, whole, color = "var(--s1)" }: Props) {
  return (
    <span aria-hidden className="block h-1.5 w-full min-w-12 overflow-hidden rounded-full bg-raised">
      <span className="block h-full rounded-full" style={{ width: `${shareInPermille(part, whole) / 10}%`, background: color }} />
    </span>
  );
}
