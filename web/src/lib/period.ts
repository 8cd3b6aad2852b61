/** The period of a view, as it stands in the address: `last=24h`, or `from` and `to`. */

export interface Period {
  readonly last: string | null;
  readonly from: string | null;
  readonly to: string | null;
}

export interface Preset {
  readonly last: string;
  readonly name: string;
}

export type Granularity = "minute" | "hour" | "day";

export const PRESETS: readonly Preset[] = [
  { last: "10m", name: "Last 10 minutes" },
  { last: "1h", name: "Last hour" },
  { last: "24h", name: "Last 24 hours" },
  { last: "7d", name: "Last 7 days" },
  { last: "30d", name: "Last 30 days" },
];
export const DEFAULT_LAST = "24h";

/** From the reader's last midnight on. */
export function today(): Period {
  return { last: null, from: new Date(new Date().setHours(0, 0, 0, 0)).toISOString(), to: null };
}

export function isToday(period: Period): boolean {
  return period.from === today().from && period.to === null;
}

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400 };
const LAST = /^(\d{1,6})([mhd])$/;

/** Its length in seconds; undefined for what is no period. */
export function seconds(period: Period): number | undefined {
  if (period.last !== null) {
    const found = LAST.exec(period.last);
    return found ? Number(found[1]) * (UNITS[found[2] ?? ""] ?? 0) : undefined;
  }
  const start = Date.parse(period.from ?? "");
  const end = period.to === null ? Date.now() : Date.parse(period.to);
  return end > start ? (end - start) / 1000 : undefined;
}

/** The period of an address; without one, or with one that is none, the last 24 hours. */
export function periodIn(search: URLSearchParams): Period {
  const asked = { last: search.get("last"), from: search.get("from"), to: search.get("to") };
  const period = asked.from === null ? { last: asked.last ?? DEFAULT_LAST, from: null, to: null } : { ...asked, last: null };
  return seconds(period) ? period : { last: DEFAULT_LAST, from: null, to: null };
}

/** What the gateway is asked: its `from`, `to` and `last`. */
export function asQuery(period: Period): Record<string, string> {
  if (period.last !== null) return { last: period.last };
  return { ...(period.from === null ? {} : { from: period.from }), ...(period.to === null ? {} : { to: period.to }) };
}

/** The steps of a chart: so that it has some dozens to a few hundred of them. */
export function granularity(period: Period): Granularity {
  const length = seconds(period) ?? 0;
  return length <= 2.5 * 3600 ? "minute" : length <= 8 * 86_400 ? "hour" : "day";
}

/** How often such a period is worth asking again, in ms. */
export function refreshEvery(period: Period): number {
  const length = seconds(period) ?? 0;
  if (period.to !== null && Date.parse(period.to) < Date.now()) return 300_000;
  return length <= 3600 ? 5_000 : length <= 86_400 ? 15_000 : 60_000;
}

/** `Last 24 hours`, `Today`, or from when to when. */
export function named(period: Period): string {
  if (isToday(period)) return "Today";
  const preset = PRESETS.find((each) => each.last === period.last);
  if (preset) return preset.name;
  if (period.last !== null) return `Last ${period.last.replace(/([mhd])$/, " $1")}`;
  return `${day(period.from)} – ${period.to === null ? "now" : day(period.to)}`;
}

function day(moment: string | null): string {
  if (moment === null) return "";
  const at = new Date(moment);
  const year = at.getFullYear() === new Date().getFullYear() ? {} : ({ year: "numeric" } as const);
  return at.toLocaleString("en-GB", { day: "numeric", month: "short", ...year, hour: "2-digit", minute: "2-digit" });
}

/** How long a step is, in seconds. */
export const STEP_S: Readonly<Record<Granularity, number>> = { minute: 60, hour: 3600, day: 86_400 };

/** When the steps of an answer begin, in seconds since 1970: also those without calls, of which it has no rows. */
export function stepsOf(answer: { readonly period: { readonly from: string; readonly to: string } }, step: Granularity): readonly number[] {
  const [from, to] = rangeOf(answer);
  const first = Math.floor(from / STEP_S[step]);
  return Array.from({ length: Math.ceil(to / STEP_S[step]) - first }, (_, index) => (first + index) * STEP_S[step]);
}

/** Rows by the second in which their step begins. */
export function byStep<R extends { readonly at: string | null }>(rows: readonly R[]): ReadonlyMap<number, R> {
  return new Map(rows.map((row) => [Date.parse(row.at ?? "") / 1000, row]));
}

/** The period of an answer, in seconds since 1970. */
export function rangeOf(answer: { readonly period: { readonly from: string; readonly to: string } }): readonly [number, number] {
  return [Date.parse(answer.period.from) / 1000, Date.parse(answer.period.to) / 1000];
}
