/** How conclusions of comparisons are shown; what they say comes from the gateway. */

import type { ComparisonRow } from "@/api/schema";
import type { Tone } from "@/components/Badge";
import { duration, NOTHING, percent, usd } from "@/lib/format";

export const METRIC_NAMES: Readonly<Record<ComparisonRow["metric"], string>> = {
  cost: "Cost",
  latency: "Latency",
  errors: "Errors",
  feedback: "Feedback",
};

interface Shown {
  readonly tone: Tone;
  readonly name: string;
  readonly color: string;
}

const UNKNOWN: Shown = { tone: "neutral", name: "no verdict", color: "var(--soft)" };
const CONCLUSIONS: Readonly<Record<string, Shown>> = {
  better: { tone: "good", name: "better", color: "var(--good)" },
  worse: { tone: "bad", name: "worse", color: "var(--bad)" },
  no_difference_seen: { ...UNKNOWN, name: "no difference" },
  too_few_units: { ...UNKNOWN, name: "too few units" },
};

export function shownAs(conclusion: string): Shown {
  return CONCLUSIONS[conclusion] ?? UNKNOWN;
}

/** The mean of a metric over units, in the metric's own unit. */
export function mean(metric: ComparisonRow["metric"], value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  if (metric === "cost") return usd(value.toFixed(15));
  if (metric === "latency") return duration(value);
  if (metric === "errors") return percent(value);
  return value.toFixed(2);
}

export interface Interval {
  readonly low: number;
  readonly middle: number;
  readonly high: number;
  readonly write: (value: number) => string;
}

/** What of a comparison is drawn: relative changes where there are any, else differences. */
export function intervalOf(row: ComparisonRow): Interval | null {
  const relative = row.metric === "cost" || row.metric === "latency";
  if (relative && row.change !== null && row.change_low !== null && row.change_high !== null) {
    return { low: row.change_low, middle: row.change, high: row.change_high, write: (value) => `${signed(value * 100)} %` };
  }
  if (row.difference === null || row.difference_low === null || row.difference_high === null) return null;
  const { difference_low: low, difference: middle, difference_high: high, metric } = row;
  if (metric === "cost") return { low, middle, high, write: (value) => `${value < 0 ? "" : "+"}${usd(value.toFixed(15))}` };
  if (metric === "latency") return { low, middle, high, write: (value) => `${signed(value)} ms` };
  return { low, middle, high, write: (value) => `${signed(value * 100)} points` };
}

function signed(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  const text = size >= 1 ? size.toFixed(1) : size.toPrecision(2);
  return value < 0 ? `−${text}` : `+${text}`;
}

/** The comparisons of each experiment together, in the order in which they came. */
export function byExperiment(rows: readonly ComparisonRow[]): readonly (readonly [ComparisonRow, readonly ComparisonRow[]])[] {
  const found = new Map<string, ComparisonRow[]>();
  for (const row of rows) {
    const key = JSON.stringify([row.tenant_id, row.experiment_id]);
    found.set(key, [...(found.get(key) ?? []), row]);
  }
  return [...found.values()].flatMap((some) => (some[0] ? [[some[0], some] as const] : []));
}
