/** How figures are written. What is rounded here is exact in the title that `exact…` gives. */

import { fixed, magnitude, plain } from "./decimal";

export const NOTHING = "–";

const THOUSANDS = new Intl.NumberFormat("en-US");
const SI = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

function grouped(text: string): string {
  const [whole = "", fraction] = text.split(".");
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return fraction === undefined ? spaced : `${spaced}.${fraction}`;
}

function dollars(text: string): string {
  return text.startsWith("-") ? `−$${grouped(text.slice(1))}` : `$${grouped(text)}`;
}

/** `$1,234.57`, `$0.0412`, `$0.000123`: cents from a dollar on, below it three digits that say something. */
export function usd(amount: string | null | undefined): string {
  if (amount === null || amount === undefined) return NOTHING;
  const place = magnitude(amount);
  if (place === undefined) return "$0";
  if (place >= 6) {
    const [size, unit] = place >= 9 ? ([9, "B"] as const) : ([6, "M"] as const);
    return `${dollars(fixed(shifted(amount, size), 2))}${unit}`;
  }
  const rounded = fixed(amount, place >= 0 ? 2 : 2 - place);
  // 0.09999 has become 0.1000: a digit too many.
  return dollars(place < 0 && (magnitude(rounded) ?? place) > place ? fixed(rounded, place === -1 ? 2 : 1 - place) : rounded);
}

/** As `usd`, for the axis of a chart: `$0.2`, not `$0.200`. */
export function axisUsd(position: number): string {
  return usd(position.toFixed(12)).replace(/(\.\d*?)0+(?=$|[BM])/, "$1").replace(/\.(?=$|[BM])/, "");
}

/** All digits of it: `$0.000123456`. */
export function exactUsd(amount: string | null | undefined): string {
  return amount === null || amount === undefined ? "no price is known" : `${dollars(plain(amount))} exactly`;
}

function shifted(amount: string, places: number): string {
  const negative = amount.startsWith("-");
  const [whole = "", fraction = ""] = plain(amount).replace("-", "").split(".");
  const padded = whole.padStart(places + 1, "0");
  const text = `${padded.slice(0, -places)}.${padded.slice(-places)}${fraction}`;
  return negative ? `-${text}` : text;
}

/** `12,345`, from a million on `1.23 M`. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  return Math.abs(value) < 1e6 ? THOUSANDS.format(Math.round(value)) : si(value);
}

/** `12,345,678`. */
export function exactCount(value: number | null | undefined): string {
  return value === null || value === undefined ? "not known" : THOUSANDS.format(value);
}

/** `1.23 k`: three digits and a unit. */
export function si(value: number): string {
  const [size, unit] = SI.find(([least]) => Math.abs(value) >= least * 0.9995) ?? [1, ""];
  const scaled = value / size;
  const digits = Math.abs(scaled) >= 100 || (unit === "" && Number.isInteger(scaled)) ? 0 : Math.abs(scaled) >= 10 ? 1 : 2;
  return unit ? `${scaled.toFixed(digits)} ${unit}` : scaled.toFixed(digits);
}

/** A number a second: `42.1/s`, `0.0024/s`. */
export function perSecond(value: number | null | undefined): string {
  if (value === null || value === undefined) return NOTHING;
  return value > 0 && value < 0.1 ? `${Number(value.toPrecision(2))}/s` : `${si(value)}/s`;
}

/** `0.84 ms`, `820 ms`, `1.42 s`, `3 m 05 s`, `2 h 05 m`. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NOTHING;
  if (ms === 0) return "0 ms";
  if (ms < 10) return `${ms.toFixed(ms < 1 ? 2 : 1)} ms`;
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 9995) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${two(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours} h ${two(minutes % 60)} m` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** A rate from 0 to 1 as `1.25 %`. */
export function percent(rate: number | null | undefined): string {
  if (rate === null || rate === undefined) return NOTHING;
  const value = rate * 100;
  if (value === 0) return "0 %";
  return `${value.toFixed(value < 0.1 ? 3 : value < 10 ? 2 : 1)} %`;
}

/** Tenths of a percent as `+12.3 %`. */
export function change(permille: number | null | undefined): string {
  if (permille === null || permille === undefined) return NOTHING;
  if (permille === 0) return "±0 %";
  const mark = permille > 0 ? "+" : "−";
  const size = Math.abs(permille) / 10;
  return size >= 1000 ? `${mark}${si(size / 100 + (permille > 0 ? 1 : 0))}×` : `${mark}${size.toFixed(size >= 100 ? 0 : 1)} %`;
}

/** `14:03:05`, of another day `Nov 24, 14:03`, in the reader's own time zone. */
export function clock(moment: string | number | Date, now: Date = new Date()): string {
  const at = new Date(moment);
  if (at.toDateString() === now.toDateString()) return at.toLocaleTimeString("en-GB");
  return `${at.toLocaleDateString("en-US", { month: "short", day: "numeric" })}, ${at.toLocaleTimeString("en-GB", {
    hour: "2-digit",
    minute: "2-digit",
  })}`;
}

/** `2026-11-25 14:03:05.123` with the zone, for titles. */
export function exactTime(moment: string | number | Date): string {
  const at = new Date(moment);
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const zone = Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(at);
  const name = zone.find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${day} ${at.toLocaleTimeString("en-GB")}.${String(at.getMilliseconds()).padStart(3, "0")} ${name}`.trim();
}

/** `just now`, `12 s ago`, `5 m ago`. */
export function ago(moment: string | number | Date, now: number = Date.now()): string {
  const seconds = Math.max(0, (now - new Date(moment).getTime()) / 1000);
  if (seconds < 1.5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ago`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h ago` : `${Math.floor(seconds / 86_400)} d ago`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
