import type { ReactNode } from "react";
import { cx } from "./classes";

export type Tone = "neutral" | "good" | "bad" | "warn" | "accent";

const TONES: Readonly<Record<Tone, string>> = {
  neutral: "bg-raised text-soft",
  good: "bg-good-wash text-good",
  bad: "bg-bad-wash text-bad",
  warn: "bg-warn-wash text-warn",
  accent: "bg-accent-wash text-accent",
};

export function Badge({ tone = "neutral", children }: { readonly tone?: Tone; readonly children: ReactNode }) {
  return (
    <span className={cx("inline-flex items-center rounded px-1.5 py-0.5 text-[11px] leading-none font-medium whitespace-nowrap", TONES[tone])}>
      {children}
    </span>
  );
}
