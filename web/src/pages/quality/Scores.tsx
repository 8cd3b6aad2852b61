import type { QualityRow } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Count, Money } from "@/components/Figure";
import { LazyChart } from "@/components/LazyChart";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { Unheeded } from "@/components/Unheeded";
import { exactCount } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { DIMENSION_NAMES, type Dimension, useView } from "@/lib/view";

const GROUPS = ["model", "prompt_version", "tenant", "provider"] as const;
type Group = (typeof GROUPS)[number];
const HEEDED: readonly Dimension[] = GROUPS;
const MOST_LINES = 8;

/** How good answers were, day by day and in the whole period, by model, prompt version, tenant or provider. */
export function Scores() {
  const { period, filters, search, set } = useView();
  const by = GROUPS.find((each) => each === search.get("by")) ?? "model";
  const asked = { ...asQuery(period), ...Object.fromEntries(HEEDED.map((name) => [name, filters[name]])) };
  const whole = useAnswer("/api/v1/analytics/quality", { query: { ...asked, group_by: by, granularity: "none" } });
  const days = useAnswer("/api/v1/analytics/quality", { query: { ...asked, group_by: by, granularity: "day" } });
  const empty = (
    <Empty title="No answer was scored in this period">
      Say how good an answer was: <code>observatory feedback REQUEST_ID --up</code>, or POST /api/v1/chat/feedback.
    </Empty>
  );
  return (
    <>
      <Unheeded heeded={HEEDED} several />
      <div className="flex flex-wrap items-center gap-3 px-4 pt-3">
        <p className="text-xs text-soft">Mean score from 0 to 1 of the answers that began on a day (UTC); whole days.</p>
        <div className="ml-auto">
          <Select<Group> label="Group by" value={by} options={GROUPS.map((each) => [each, DIMENSION_NAMES[each]] as const)} onChange={(next) => set({ by: next }, "push")} />
        </div>
      </div>
      <Loaded asked={days} isEmpty={(data) => data.rows.length === 0} empty={empty}>
        {(data) => <OverTime rows={data.rows} by={by} />}
      </Loaded>
      <Loaded asked={whole} isEmpty={(data) => data.rows.length === 0} empty={null}>
        {(data) => <Groups rows={data.rows} by={by} />}
      </Loaded>
    </>
  );
}

function nameOf(row: QualityRow, by: Group): string {
  const score = row.name === "rating" && row.kind === "user" ? "" : ` · ${row.name}${row.kind === "user" ? "" : ` (${row.kind})`}`;
  return `${row.group[by] ?? "(none)"}${score}`;
}

interface Props {
  readonly rows: readonly QualityRow[];
  readonly by: Group;
}

function OverTime({ rows, by }: Props) {
  const times = [...new Set(rows.flatMap((row) => (row.start === null ? [] : [Date.parse(row.start) / 1000])))].toSorted((a, b) => a - b);
  const names = [...new Set(rows.map((row) => nameOf(row, by)))];
  const lines = names.slice(0, MOST_LINES).map((name) => {
    const own = new Map(rows.filter((row) => nameOf(row, by) === name).map((row) => [Date.parse(row.start ?? "") / 1000, row]));
    const found = times.map((at) => own.get(at));
    return {
      name,
      at: found.map((row) => row?.mean ?? null),
      write: (index: number) => {
        const row = found[index];
        return row ? `${row.mean.toFixed(3)} (${exactCount(row.scores)} scores)` : "no scores";
      },
    };
  });
  if (times.length < 2) {
    return <p className="px-4 py-3 text-[13px] text-soft">Scores of one day only: a longer period shows how they went.</p>;
  }
  return (
    <>
      <LazyChart label={`Mean score of each day by ${DIMENSION_NAMES[by]}`} times={times} series={lines} kind="line" axis={(value) => value.toFixed(1)} step={86_400} />
      {names.length > MOST_LINES ? <p className="px-4 text-xs text-soft">The first {MOST_LINES} are drawn; all are in the table.</p> : null}
    </>
  );
}

function Groups({ rows, by }: Props) {
  return (
    <div className="mt-2 border-t">
      <Table
        caption={`Scores by ${DIMENSION_NAMES[by]}`}
        rows={rows}
        rowKey={(row) => JSON.stringify([row.group, row.kind, row.name])}
        columns={[
          { id: "group", head: DIMENSION_NAMES[by], cell: (row) => row.group[by] ?? "(none)" },
          { id: "score", head: "Score", wide: true, cell: (row) => `${row.name} (${row.kind})` },
          { id: "mean", head: "Mean", numeric: true, cell: (row) => <span title={String(row.mean)}>{row.mean.toFixed(3)}</span> },
          { id: "interval", head: "95 % sure", cell: (row) => <Sureness row={row} /> },
          { id: "scores", head: "Scores", numeric: true, cell: (row) => <Count value={row.scores} /> },
          { id: "ups", head: "Up", numeric: true, wide: true, cell: (row) => <Count value={row.ups} /> },
          { id: "downs", head: "Down", numeric: true, wide: true, cell: (row) => <Count value={row.downs} /> },
          { id: "judged", head: "Judged calls", numeric: true, wide: true, cell: (row) => <Count value={row.judged_calls} /> },
          { id: "cost", head: "Their cost", numeric: true, cell: (row) => <Money amount={row.cost_usd} /> },
        ]}
      />
    </div>
  );
}

/** The confidence interval of a mean, on a line from 0 to 1. */
function Sureness({ row }: { readonly row: QualityRow }) {
  return (
    <span className="flex items-center gap-2 text-xs text-soft">
      <span aria-hidden className="relative block h-2 w-24 shrink-0 rounded-full bg-raised">
        <span
          className="absolute inset-y-0 rounded-full opacity-40"
          style={{ left: `${row.low * 100}%`, width: `${Math.max(1, (row.high - row.low) * 100)}%`, background: "var(--s1)" }}
        />
        <span className="absolute top-1/2 size-2 -translate-x-1/2 -translate-y-1/2 rounded-full" style={{ left: `${row.mean * 100}%`, background: "var(--s1)" }} />
      </span>
      <span className="whitespace-nowrap">
        {row.low.toFixed(2)} – {row.high.toFixed(2)}
      </span>
    </span>
  );
}
