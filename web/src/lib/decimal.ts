/**
 * Amounts are decimal strings from the gateway to the screen; arithmetic here is on integers of any length, so that
 * nothing is lost. `pixels` alone makes a float of one, for a position in a chart.
 */

interface Parts {
  /** The digits without their point, with sign. */
  readonly digits: bigint;
  /** How many of them stand behind the point. */
  readonly scale: number;
}

const WRITTEN = /^(-?)(\d+)(?:\.(\d+))?$/;

function parse(text: string): Parts {
  const found = WRITTEN.exec(text);
  if (!found) throw new RangeError(`not a decimal number: ${text}`);
  const [, minus = "", whole = "", fraction = ""] = found;
  return { digits: BigInt(minus + whole + fraction), scale: fraction.length };
}

function aligned(a: string, b: string): readonly [bigint, bigint, number] {
  const left = parse(a);
  const right = parse(b);
  const scale = Math.max(left.scale, right.scale);
  return [left.digits * 10n ** BigInt(scale - left.scale), right.digits * 10n ** BigInt(scale - right.scale), scale];
}

function written(digits: bigint, scale: number): string {
  const minus = digits < 0n ? "-" : "";
  const all = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, "0");
  const whole = all.slice(0, all.length - scale);
  const fraction = all.slice(all.length - scale).replace(/0+$/, "");
  return minus + whole + (fraction ? `.${fraction}` : "");
}

/** `a - b`, exact. */
export function subtract(a: string, b: string): string {
  const [left, right, scale] = aligned(a, b);
  return written(left - right, scale);
}

/** Below 0, 0 or above 0, as `a` is smaller than, equal to or greater than `b`. */
export function compare(a: string, b: string): number {
  const [left, right] = aligned(a, b);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** -1, 0 or 1. */
export function sign(text: string): number {
  const { digits } = parse(text);
  return digits < 0n ? -1 : digits > 0n ? 1 : 0;
}

/** All digits without zeros at the end. */
export function plain(text: string): string {
  const { digits, scale } = parse(text);
  return written(digits, scale);
}

/** Rounded half away from zero to so many decimals, which are all written. */
export function fixed(text: string, decimals: number): string {
  const { digits, scale } = parse(text);
  let scaled = digits < 0n ? -digits : digits;
  if (scale > decimals) {
    const unit = 10n ** BigInt(scale - decimals);
    scaled = (scaled + unit / 2n) / unit;
  } else scaled *= 10n ** BigInt(decimals - scale);
  const all = scaled.toString().padStart(decimals + 1, "0");
  const whole = all.slice(0, all.length - decimals);
  const positive = decimals ? `${whole}.${all.slice(all.length - decimals)}` : whole;
  return digits < 0n && scaled > 0n ? `-${positive}` : positive;
}

/** The place of the first digit that is not 0: 2 for 123, 0 for 1.23, -3 for 0.00123; undefined for 0. */
export function magnitude(text: string): number | undefined {
  const { digits, scale } = parse(text);
  if (digits === 0n) return undefined;
  return (digits < 0n ? -digits : digits).toString().length - 1 - scale;
}

/** How much more `now` is than `before`, in tenths of a percent; undefined where there was nothing before. */
export function changeInPermille(now: string, before: string): number | undefined {
  const [left, right] = aligned(now, before);
  if (right === 0n) return undefined;
  const positive = right < 0n ? -right : right;
  const twice = ((left - right) * 2000n) / positive;
  return Number(twice >= 0n ? (twice + 1n) / 2n : (twice - 1n) / 2n);
}

/** What part of `whole` this is, in tenths of a percent, cut to 0 … 1000; 0 of nothing. */
export function shareInPermille(part: string, whole: string): number {
  const [left, right] = aligned(part, whole);
  if (right <= 0n || left <= 0n) return 0;
  return Number(left >= right ? 1000n : (left * 1000n) / right);
}

/** A float near it: for positions on a screen only, never for a figure. */
export function pixels(text: string): number {
  return Number(text);
}
