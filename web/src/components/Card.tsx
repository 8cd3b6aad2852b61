import type { ReactNode } from "react";
import { cx } from "./classes";

interface Props {
  readonly title?: ReactNode;
  /** Beside the title: what the card is about, in a few words. */
  readonly hint?: ReactNode;
  /** At the right of the title: controls, a watermark. */
  readonly aside?: ReactNode;
  readonly className?: string;
  readonly children: ReactNode;
}

/** A titled part of a page. */
export function Card({ title, hint, aside, className, children }: Props) {
  return (
    <section className={cx("min-w-0 rounded-lg border bg-surface", className)}>
      {title === undefined && hint === undefined && aside === undefined ? null : (
        <header className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 border-b px-4 py-2">
          {title === undefined ? null : <h2 className="text-[13px] font-semibold">{title}</h2>}
          {hint === undefined ? null : <p className="text-xs text-soft">{hint}</p>}
          {aside === undefined ? null : <div className="ml-auto flex items-center gap-2">{aside}</div>}
        </header>
      )}
      {children}
    </section>
  );
}
