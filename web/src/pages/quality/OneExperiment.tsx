import { ArrowLeft } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { ComparisonRow, ExperimentResults, VariantView } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Count, Money } from "@/components/Figure";
import { Loaded, SkeletonRows } from "@/components/states";
import { Table } from "@/components/Table";
import { Watermark } from "@/components/Watermark";
import { clock, duration, percent } from "@/lib/format";
import { useKeptSearch, useView } from "@/lib/view";
import { METRIC_NAMES, mean } from "./conclusions";
import { Sentences } from "./Experiments";
import { Intervals } from "./Intervals";

interface Props {
  readonly id: string;
  /** Null: the key's own. */
  readonly tenant: string | null;
}

/** One experiment: the verdict in words, the intervals behind it, the variants' figures, whether the split is right. */
export function OneExperiment({ id, tenant }: Props) {
  const { href } = useView();
  const asked = useAnswer("/api/v1/analytics/experiments/{experiment_id}", { path: { experiment_id: id }, query: { tenant } });
  return (
    <>
      <p className="px-4 pt-3">
        <Link href={href({ shown: null, of: null })} className="inline-flex items-center gap-1 text-xs font-medium text-accent hover:underline">
          <ArrowLeft aria-hidden className="size-3.5" /> All experiments
        </Link>
      </p>
      <Loaded asked={asked} skeleton={<SkeletonRows rows={8} />}>
        {(results) => <Results results={results} />}
      </Loaded>
    </>
  );
}

function Results({ results }: { readonly results: ExperimentResults }) {
  const { experiment, comparisons, variants } = results;
  const { definition } = experiment;
  const metrics = [...new Set(comparisons.map((row) => row.metric))];
  return (
    <>
      <header className="flex flex-wrap items-center gap-x-3 gap-y-1 px-4 pt-2">
        <h2 className="text-sm font-semibold">{experiment.experiment_id}</h2>
        <Badge tone={experiment.state === "running" ? "accent" : "neutral"}>{experiment.state}</Badge>
        <Watermark until={results.watermark} complete={experiment.state === "stopped"} />
        <p className="w-full text-xs text-soft">
          Of {experiment.tenant_id}, by {definition.unit}, {percent(definition.traffic)} of what is eligible, version {experiment.version}
          {experiment.started_at ? `, since ${clock(experiment.started_at)}` : ""}
          {experiment.stopped_at ? `, until ${clock(experiment.stopped_at)}` : ""}. A unit counts {duration((definition.settle_s ?? defaultSettle(definition.unit)) * 1000)} after
          its first call.
        </p>
      </header>
      <Part title="Verdict">
        <Split results={results} />
        <div className="px-4 pb-2">
          <Sentences rows={comparisons} />
        </div>
      </Part>
      <Part title="How sure that is" hint={`a variant against ${controlOf(results)}, with its confidence sequence: valid at every look`}>
        {metrics.map((metric) => (
          <Intervals key={metric} metric={metric} rows={comparisons.filter((row) => row.metric === metric)} />
        ))}
      </Part>
      <Part title="Figures of each variant" hint="all units that are old enough to count">
        <Variants results={results} variants={variants} metrics={metrics} />
        <p className="px-4 pb-3 text-xs text-soft">
          Not counted: <Count value={results.young_units} /> units too young, <Count value={results.mixed_units} /> with calls in several variants,{" "}
          <Count value={results.unknown_units} /> in a variant that the definition lacks.
        </p>
      </Part>
    </>
  );
}

const SETTLE_S = { request: 120, conversation: 1800, user: 86_400 } as const;

function defaultSettle(unit: keyof typeof SETTLE_S): number {
  return SETTLE_S[unit];
}

function controlOf({ experiment: { definition } }: ExperimentResults): string {
  return definition.control ?? definition.variants[0]?.name ?? "";
}

/** Whether units came to the variants as configured: if not, nothing else can be trusted. */
function Split({ results }: { readonly results: ExperimentResults }) {
  const { split, verdict } = results;
  if (split.is_right) {
    return (
      <p className="px-4 pt-2 text-xs text-soft">
        <Badge tone="good">split is right</Badge> <span title={`doubtful below ${split.level}`}>p = {split.p_value.toPrecision(2)}</span>: units came to the variants as
        configured.
      </p>
    );
  }
  return (
    <p role="alert" className="mx-4 mt-3 rounded-md bg-bad-wash px-3 py-2 text-[13px] text-bad">
      {verdict[0]}
    </p>
  );
}

interface VariantsProps {
  readonly results: ExperimentResults;
  readonly variants: readonly VariantView[];
  readonly metrics: readonly ComparisonRow["metric"][];
}

function Variants({ results, variants, metrics }: VariantsProps) {
  const kept = useKeptSearch();
  const control = controlOf(results);
  const calls = (variant: string) => {
    const search = new URLSearchParams(kept);
    search.set("experiment", results.experiment.experiment_id);
    search.set("variant", variant);
    return `/costs?${search}`;
  };
  return (
    <Table
      caption="Variants"
      rows={variants}
      rowKey={(row) => row.variant}
      columns={[
        {
          id: "variant",
          head: "Variant",
          cell: (row) => (
            <>
              <Link href={calls(row.variant)} className="font-medium text-accent hover:underline">
                {row.variant}
              </Link>{" "}
              {row.variant === control ? <Badge>control</Badge> : null}
            </>
          ),
        },
        { id: "weight", head: "Weight", numeric: true, wide: true, cell: (row) => <Count value={row.weight} /> },
        { id: "exposed", head: "Exposed units", numeric: true, cell: (row) => <Count value={row.exposed} /> },
        { id: "requests", head: "Requests", numeric: true, cell: (row) => <Count value={row.requests} /> },
        { id: "calls", head: "Calls", numeric: true, wide: true, cell: (row) => <Count value={row.calls} /> },
        { id: "cost", head: "Cost", numeric: true, cell: (row) => <Money amount={row.cost_usd} /> },
        { id: "unpriced", head: "Unpriced units", numeric: true, wide: true, cell: (row) => <Count value={row.unpriced_units} /> },
        ...metrics.map((metric) => ({
          id: `mean ${metric}`,
          head: `${METRIC_NAMES[metric]} a unit`,
          numeric: true,
          cell: (row: VariantView) => {
            const found = row.metrics.find((each) => each.metric === metric);
            return <span title={`of ${found?.units ?? 0} units with a value`}>{mean(metric, found?.mean)}</span>;
          },
        })),
      ]}
    />
  );
}

interface PartProps {
  readonly title: string;
  readonly hint?: string;
  readonly children: ReactNode;
}

function Part({ title, hint, children }: PartProps) {
  return (
    <section aria-label={title} className="mt-3 border-t pt-3 pb-1">
      <header className="flex flex-wrap items-baseline gap-x-3 px-4">
        <h3 className="text-[13px] font-semibold">{title}</h3>
        {hint === undefined ? null : <p className="text-xs text-soft">{hint}</p>}
      </header>
      <div className="pt-1">{children}</div>
    </section>
  );
}
