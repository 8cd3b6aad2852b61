import type { CallView } from "@/api/schema";
import type { TimePart } from "@/components/TimeSplit";

/** The parts of the time of one call in ms: what streaming took is what is shown of the whole less what is shown of its begin. */
export function partsOf(call: CallView): Readonly<Partial<Record<TimePart, number | null>>> {
  const { queue_ms: waiting, policy_ms: policy, ttft_ms: first, total_ms: total } = call;
  if (first === null) return { waiting, policy, unsplit: total };
  return { waiting, policy, first_token: first, streaming: total === null ? null : Math.max(0, total - first) };
}
