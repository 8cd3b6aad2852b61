import type { ReactNode } from "react";
import { changeInPermille } from "@/lib/decimal";
import { change, count, duration, exactCount, exactUsd, NOTHING, percent, usd } from "@/lib/format";
import { cx } from "./classes";
import { Hint } from "./Hint";

/** An amount as people read it, with all its digits as the title. */
export function Money({ amount, className }: { readonly amount: string | null | undefined; readonly className?: string }) {
  return (
    <data value={amount ?? ""} title={exactUsd(amount)} className={className}>
      {usd(amount)}
    </data>
  );
}

interface Priced {
  readonly calls: number;
  readonly unpriced_calls: number;
  readonly cost_usd: string;
}

/** What calls cost; where none of them has a price, that is not known. */
export function CostOf({ of, className }: { readonly of: Priced; readonly className?: string }) {
  const known = of.calls === 0 || of.unpriced_calls < of.calls;
  return <Money amount={known ? of.cost_usd : null} {...(className === undefined ? {} : { className })} />;
}

export function Count({ value, className }: { readonly value: number | null | undefined; readonly className?: string }) {
  return (
    <data value={value ?? ""} title={exactCount(value)} className={className}>
      {count(value)}
    </data>
  );
}

export function Duration({ ms, className }: { readonly ms: number | null | undefined; readonly className?: string }) {
  return (
    <data value={ms ?? ""} title={ms === null || ms === undefined ? "not known" : `${ms} ms`} className={className}>
      {duration(ms)}
    </data>
  );
}

export function Percent({ rate, className }: { readonly rate: number | null | undefined; readonly className?: string }) {
  return (
    <data value={rate ?? ""} title={rate === null || rate === undefined ? "not known" : `${rate * 100} %`} className={className}>
      {percent(rate)}
    </data>
  );
}

interface DeltaProps {
  readonly now: string | number | null | undefined;
  readonly before: string | number | null | undefined;
  /** Whether more of it is good, bad, or neither. */
  readonly more?: "good" | "bad" | "neutral";
  /** How `before` is written in the title. */
  readonly write?: (value: never) => string;
}

/** How much more or less than before, in percent. */
export function Delta({ now, before, more = "neutral", write }: DeltaProps) {
  if (now === null || now === undefined || before === null || before === undefined) {
    return <span className="text-xs text-soft">no comparison</span>;
  }
  const permille = changeInPermille(decimal(now), decimal(before));
  const was = write ? write(before as never) : String(before);
  if (permille === undefined) {
    return (
      <span className="text-xs text-soft" title={`before: ${was}`}>
        {Number(now) === 0 ? "as before" : "new"}
      </span>
    );
  }
  const good = permille === 0 || more === "neutral" ? null : permille > 0 === (more === "good");
  return (
    <span
      title={`before: ${was}`}
      className={cx("text-xs font-medium", good === null ? "text-soft" : good ? "text-good" : "text-bad")}
    >
      {change(permille)}
    </span>
  );
}

function decimal(value: string | number): string {
  return typeof value === "string" ? value : value.toFixed(9);
}

interface FigureProps {
  readonly name: string;
  readonly value: ReactNode;
  /** All digits and what the figure is, on hover and focus. */
  readonly exact?: string;
  readonly delta?: ReactNode;
  readonly note?: ReactNode;
  readonly testId?: string;
}

/** One figure of a strip of figures. */
export function Figure({ name, value, exact, delta, note, testId }: FigureProps) {
  return (
    <div className="min-w-0 px-4 py-3">
      <dt className="truncate text-xs text-soft">{name}</dt>
      <dd>
        <div className="mt-0.5 truncate text-xl font-semibold tracking-tight" data-testid={testId}>
          {exact === undefined ? value : <Hint text={exact}>{value ?? NOTHING}</Hint>}
        </div>
        <div className="mt-0.5 flex min-h-4.5 flex-wrap items-baseline gap-x-1.5 text-xs text-soft">
          {delta}
          {note}
        </div>
      </dd>
    </div>
  );
}

/** Figures side by side, as many in a row as there is room for. */
export function Figures({ children, label }: { readonly children: ReactNode; readonly label: string }) {
  return (
    <dl aria-label={label} className="grid grid-cols-2 sm:grid-cols-3 lg:grid-cols-[repeat(auto-fit,minmax(9rem,1fr))]">
      {children}
    </dl>
  );
}
