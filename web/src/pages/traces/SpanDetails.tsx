import type { ReactNode } from "react";
import type { SpanView, TraceDetail } from "@/api/schema";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { Pairs, TextLink } from "@/components/Pairs";
import { plain } from "@/lib/decimal";
import { duration } from "@/lib/format";
import { useLinkTo } from "@/lib/view";

interface Props {
  readonly span: SpanView;
  readonly trace: TraceDetail;
  readonly color: string;
}

/** All that is known of a span. */
export function SpanDetails({ span, trace, color }: Props) {
  const to = useLinkTo();
  const critical = trace.critical_path.find((step) => step.span_id === span.span_id);
  const facts: readonly (readonly [string, ReactNode])[] = [
    ["Service", span.service],
    ["Took", duration(lasting(span.start_unix_nano, span.end_unix_nano))],
    ["Critical path", critical ? `${duration(critical.self_ms)} of it` : "not on it"],
    ["Kind", span.kind],
    ["Message", span.status_message ?? null],
    ["Cost", span.cost_usd === null || span.cost_usd === undefined ? null : `$${plain(span.cost_usd)}`],
    ["Call", span.call_id ? <TextLink key="call" href={to(`/calls/${span.call_id}`)}>{span.call_id}</TextLink> : null],
    [
      "Conversation",
      span.conversation_id ? (
        <TextLink key="conversation" href={to(`/conversations/${encodeURIComponent(span.conversation_id)}`, { of: trace.tenant_id })}>
          {span.conversation_id}
        </TextLink>
      ) : null,
    ],
    ["User", span.user_id ?? null],
    ["Scope", span.scope ?? null],
    ["Span", <code key="span">{span.span_id}</code>],
    ["Left out", span.dropped ? `${span.dropped} attributes, events and links` : null],
  ];
  return (
    <Card
      className="xl:sticky xl:top-20 xl:max-h-[calc(100dvh-6rem)] xl:overflow-y-auto"
      title={
        <span className="flex items-center gap-2">
          <span aria-hidden className="size-2.5 shrink-0 rounded-xs" style={{ background: color }} />
          <span className="break-all">{span.name}</span>
        </span>
      }
      aside={<Badge tone={span.status === "error" ? "bad" : span.status === "ok" ? "good" : "neutral"}>{span.status}</Badge>}
    >
      <Pairs label="The span" pairs={facts} />
      <Named title="Attributes" values={span.attributes ?? {}} />
      {(span.events ?? []).map((event) => (
        <Named key={`${event.name} ${event.at_unix_nano}`} title={`Event ${event.name}, after ${duration(lasting(span.start_unix_nano, event.at_unix_nano))}`} values={event.attributes ?? {}} always />
      ))}
      <Others title="It names" spans={(span.links ?? []).filter((each) => each.trace_id !== trace.trace_id)} />
      <Others title="Named by" spans={trace.linked_spans} />
      <Named title="Resource" values={span.resource ?? {}} />
    </Card>
  );
}

function Named({ title, values, always = false }: { readonly title: string; readonly values: Readonly<Record<string, unknown>>; readonly always?: boolean }) {
  const pairs = Object.entries(values).map(([name, value]) => [name, typeof value === "string" ? value : JSON.stringify(value)] as const);
  if (pairs.length === 0 && !always) return null;
  return (
    <div className="border-t">
      <h3 className="px-4 pt-3 text-xs font-semibold">{title}</h3>
      <Pairs label={title} pairs={pairs} />
    </div>
  );
}

function Others({ title, spans }: { readonly title: string; readonly spans: readonly { readonly trace_id: string; readonly span_id: string; readonly name?: string }[] }) {
  const to = useLinkTo();
  if (spans.length === 0) return null;
  return (
    <div className="border-t px-4 py-3">
      <h3 className="text-xs font-semibold">{title}</h3>
      <ul className="mt-1 space-y-1 text-[13px]">
        {spans.map((each) => (
          <li key={`${each.trace_id} ${each.span_id}`}>
            <TextLink href={to(`/traces/${each.trace_id}`, { span: each.span_id })}>{each.name ?? each.span_id} in another trace</TextLink>
          </li>
        ))}
      </ul>
    </div>
  );
}

function lasting(start: string, end: string): number {
  return Number(BigInt(end) - BigInt(start)) / 1e6;
}
