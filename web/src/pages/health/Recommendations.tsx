import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Money } from "@/components/Figure";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { Watermark } from "@/components/Watermark";
import { clock } from "@/lib/format";
import { useView } from "@/lib/view";
import { Evidence } from "./Evidence";

const KINDS = [
  ["", "All of them"],
  ["cache_answers", "Keep answers"],
  ["cache_context", "Cache contexts"],
  ["cheaper_model", "Cheaper models"],
  ["avoid_failures", "Avoid failures"],
] as const;
type Kind = (typeof KINDS)[number][0];

/** What could be saved, the largest saving first, with what it was read from. */
export function Recommendations() {
  const { search, set } = useView();
  const kind = KINDS.find(([name]) => name === search.get("kind"))?.[0] ?? "";
  const asked = useAnswer("/api/v1/analytics/recommendations", { query: { kind: kind || null, limit: 100 } }, { every: 60_000 });
  return (
    <>
      <div className="flex flex-wrap items-center gap-3 px-4 pt-3 pb-2">
        <Watermark until={asked.data?.watermark} complete />
        {asked.data ? (
          <p className="text-xs text-soft">
            from the calls of {clock(asked.data.period.from)} to {clock(asked.data.period.to)}; looked for every quarter of an hour
          </p>
        ) : null}
        <div className="ml-auto">
          <Select<Kind> label="Which kind" value={kind} options={KINDS} onChange={(next) => set({ kind: next || null }, "push")} />
        </div>
      </div>
      <Loaded
        asked={asked}
        isEmpty={(data) => data.rows.length === 0}
        empty={<Empty title="Nothing that saves a cent a month was found">Repeated prompts, contexts that are read again, failures that cost, and cheaper models in experiments are looked at.</Empty>}
      >
        {(data) => (
          <ul aria-label="Recommendations" className="divide-y border-t">
            {data.rows.map((row) => (
              <li key={row.recommendation_id} className="flex flex-wrap gap-x-4 gap-y-1 px-4 py-2.5">
                <p className="w-28 shrink-0">
                  <Money amount={row.saving_usd} className="text-[15px] font-semibold text-good" />
                  <span className="block text-xs text-soft">in 30 days</span>
                </p>
                <div className="min-w-0 flex-1 basis-72">
                  <p className="text-[13px] font-medium break-words">{row.advice}</p>
                  <p className="mt-0.5 text-xs text-soft">
                    <Badge>{row.kind.replaceAll("_", " ")}</Badge> {row.tenant_id}
                  </p>
                  <Evidence title="Evidence" values={row.evidence} />
                </div>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </>
  );
}
