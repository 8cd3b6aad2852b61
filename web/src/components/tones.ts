import type { Tone } from "@/components/Badge";

const TONES: Readonly<Record<string, Tone>> = { ok: "good", error: "bad", unknown: "warn", cancelled: "warn" };

/** How the status of a call looks. */
export function toneOf(status: string): Tone {
  return TONES[status] ?? "neutral";
}
