import { useMemo } from "react";
import type { TraceDetail } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { Figure, Figures } from "@/components/Figure";
import { Page } from "@/components/Page";
import { Loaded, SkeletonRows } from "@/components/states";
import { Watermark } from "@/components/Watermark";
import { clock, count, duration, exactCount, exactTime, exactUsd, usd } from "@/lib/format";
import { useView } from "@/lib/view";
import { colorsOf, Services } from "./Services";
import { SpanDetails } from "./SpanDetails";
import { treeOf } from "./tree";
import { Waterfall } from "./Waterfall";

/** One trace as a waterfall of its spans; the chosen span stands in the address. */
export function OneTrace({ id }: { readonly id: string }) {
  const asked = useAnswer("/api/v1/traces/{trace_id}", { path: { trace_id: id } });
  return (
    <Page title="Trace" period={false} filters={false} watermark={<Watermark until={asked.data?.watermark} />}>
      <Loaded asked={asked} skeleton={<SkeletonRows rows={14} />}>
        {(trace) => <Known trace={trace} />}
      </Loaded>
    </Page>
  );
}

function Known({ trace }: { readonly trace: TraceDetail }) {
  const { search, set } = useView();
  const nodes = useMemo(() => treeOf(trace), [trace]);
  const colors = useMemo(() => colorsOf(trace), [trace]);
  const chosen = trace.spans.find((span) => span.span_id === search.get("span")) ?? trace.spans.find((span) => span.span_id === trace.root.span_id) ?? trace.spans[0];
  return (
    <div className="space-y-4">
      <Card
        title={trace.root.name}
        hint={
          <span title={exactTime(trace.started_at)}>
            {trace.root.service}, began {clock(trace.started_at)}
          </span>
        }
        aside={
          <>
            {trace.closed === false ? <Badge tone="accent">spans may still come</Badge> : null}
            <code className="max-w-40 truncate text-xs text-soft" title={trace.trace_id}>
              {trace.trace_id}
            </code>
          </>
        }
      >
        <Figures label="Figures of the trace">
          <Figure name="Took" testId="took" value={duration(trace.duration_ms)} exact={`${trace.duration_ms} ms from the first span's start to the last one's end`} />
          <Figure
            name="Cost"
            testId="cost"
            value={trace.calls > trace.unpriced_calls || trace.calls === 0 ? usd(trace.cost_usd) : "–"}
            exact={exactUsd(trace.cost_usd)}
            note={trace.unpriced_calls > 0 ? `${count(trace.unpriced_calls)} unpriced` : null}
          />
          <Figure name="Model calls" value={count(trace.calls)} exact={trace.models.join(", ") || "to no model"} />
          <Figure name="Tokens" value={count(trace.input_tokens + trace.output_tokens)} exact={`${exactCount(trace.input_tokens)} read, ${exactCount(trace.output_tokens)} written`} />
          <Figure name="Spans" testId="spans" value={count(trace.span_count)} exact={`of ${trace.services.join(", ")}`} />
          <Figure name="Failed spans" value={count(trace.error_spans)} exact={`${exactCount(trace.error_spans)} of ${exactCount(trace.span_count)}`} />
        </Figures>
      </Card>
      <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_24rem]">
        <Card title="Waterfall" hint="full colour: the critical path, what the trace waited for">
          <Services trace={trace} colors={colors} />
          <Waterfall nodes={nodes} whole={trace.duration_ms} colors={colors} chosen={chosen?.span_id ?? null} onChoose={(span) => set({ span })} />
          {trace.next === null ? null : (
            <p className="border-t px-4 py-2 text-xs text-soft">
              The first {exactCount(trace.spans.length)} of {exactCount(trace.span_count)} spans.
            </p>
          )}
        </Card>
        {chosen ? <SpanDetails key={chosen.span_id} span={chosen} trace={trace} color={colors.get(chosen.service) ?? "var(--s8)"} /> : null}
      </div>
    </div>
  );
}
