import { sign } from "@/lib/decimal";
import { exactUsd, usd } from "@/lib/format";

/** How much more or less something costs: more is bad. */
export function Difference({ amount }: { readonly amount: string }) {
  const direction = sign(amount);
  return (
    <data value={amount} title={exactUsd(amount)} className={direction > 0 ? "text-bad" : direction < 0 ? "text-good" : "text-soft"}>
      {direction > 0 ? "+" : ""}
      {usd(amount)}
    </data>
  );
}
