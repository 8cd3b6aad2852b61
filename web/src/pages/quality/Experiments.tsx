import { FlaskConical } from "lucide-react";
import { Link } from "wouter";
import type { ComparisonRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { cx } from "@/components/classes";
import { Empty, Loaded } from "@/components/states";
import { asQuery } from "@/lib/period";
import { useView } from "@/lib/view";
import { byExperiment, shownAs } from "./conclusions";

/** The experiments that ran in the period, each with what may be concluded from it, in words. */
export function Experiments() {
  const { period } = useView();
  const asked = useAnswer("/api/v1/analytics/experiments", { query: asQuery(period) });
  const empty = (
    <Empty title="No experiment ran in this period">
      Choose a longer period, or compare two models or prompts: <code>observatory experiments create</code>.
    </Empty>
  );
  return (
    <Loaded asked={asked} isEmpty={(data) => data.rows.length === 0} empty={empty}>
      {(data) => (
        <>
          <ul aria-label="Experiments" className="divide-y">
            {byExperiment(data.rows).map(([first, rows]) => (
              <Experiment key={`${first.tenant_id}/${first.experiment_id}`} first={first} rows={rows} />
            ))}
          </ul>
          {data.next === null ? null : <p className="border-t px-4 py-2 text-xs text-soft">These are the latest 20: choose a shorter period to see others.</p>}
        </>
      )}
    </Loaded>
  );
}

interface Props {
  readonly first: ComparisonRow;
  readonly rows: readonly ComparisonRow[];
}

function Experiment({ first, rows }: Props) {
  const { href } = useView();
  return (
    <li className="px-4 py-3">
      <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
        <FlaskConical aria-hidden className="size-4 text-soft" />
        <Link href={href({ shown: first.experiment_id, of: first.tenant_id })} className="min-w-0 truncate font-semibold text-accent hover:underline">
          {first.experiment_id}
        </Link>
        <Badge tone={first.state === "running" ? "accent" : "neutral"}>{first.state}</Badge>
        {first.split_is_right ? null : <Badge tone="bad">split is wrong</Badge>}
        <span className="text-xs text-soft">
          {first.tenant_id} · against {first.control}
        </span>
      </div>
      <Sentences rows={rows} />
    </li>
  );
}

/** What each comparison says; those that found something stand out. */
export function Sentences({ rows }: { readonly rows: readonly ComparisonRow[] }) {
  return (
    <ul className="mt-2 space-y-1.5">
      {rows.map((row) => {
        const { tone, name } = shownAs(row.conclusion);
        return (
          <li key={`${row.variant} ${row.metric}`} className="flex flex-wrap items-baseline gap-x-2 text-[13px]">
            <span className="w-24 shrink-0">
              <Badge tone={tone}>{name}</Badge>
            </span>
            <span className={cx("min-w-0 flex-1 basis-60", tone === "neutral" && "text-soft")}>{row.sentence}</span>
          </li>
        );
      })}
    </ul>
  );
}
