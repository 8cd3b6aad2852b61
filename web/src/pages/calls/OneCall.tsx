import { ArrowRight } from "lucide-react";
import type { ReactNode } from "react";
import { Link } from "wouter";
import type { CallDetail, CallView } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { Count, Duration, Figure, Figures } from "@/components/Figure";
import { Page } from "@/components/Page";
import { Pairs, TextLink } from "@/components/Pairs";
import { Loaded, SkeletonRows } from "@/components/states";
import { TIME_PARTS, TimeSplit } from "@/components/TimeSplit";
import { toneOf } from "@/components/tones";
import { Watermark } from "@/components/Watermark";
import { clock, duration, exactCount, exactTime, exactUsd, usd } from "@/lib/format";
import { useLinkTo } from "@/lib/view";
import { Attempts } from "./Attempts";
import { partsOf } from "./parts";

/** One call: where its time went, what it cost, and the other calls of its request. */
export function OneCall({ id }: { readonly id: string }) {
  const asked = useAnswer("/api/v1/calls/{call_id}", { path: { call_id: id } });
  return (
    <Page title="Call" period={false} filters={false} watermark={<Watermark until={asked.data?.watermark} />}>
      <Loaded asked={asked} skeleton={<SkeletonRows rows={12} />}>
        {(detail) => <Known detail={detail} />}
      </Loaded>
    </Page>
  );
}

function Known({ detail }: { readonly detail: CallDetail }) {
  const { call, attempts } = detail;
  return (
    <div className="space-y-4">
      <Card>
        <div className="flex flex-wrap items-center gap-2 border-b px-4 py-3">
          <span className="font-semibold">{call.model}</span>
          <Badge tone={toneOf(call.status)}>{call.error_type ?? call.status}</Badge>
          <Badge tone={call.cost_state === "estimated" ? "warn" : "neutral"}>{call.cost_state}</Badge>
          <span className="text-xs text-soft" title={exactTime(call.started_at)}>
            began {clock(call.started_at)}
          </span>
        </div>
        <Figures label="Figures of the call">
          <Figure name="Took" testId="took" value={duration(call.total_ms)} exact={call.total_ms === null ? "not known" : `${call.total_ms} ms from being sent to the last byte`} />
          <Figure name="Cost" testId="cost" value={usd(call.cost_usd)} exact={exactUsd(call.cost_usd)} />
          <Figure name="Tokens written" value={<Count value={call.tokens.output_tokens} />} note={call.tokens.reasoning_tokens > 0 ? `${exactCount(call.tokens.reasoning_tokens)} of them for reasoning` : null} />
          <Figure name="Attempt" value={`${call.attempt} of ${attempts.length}`} />
        </Figures>
      </Card>
      <WhereItWent detail={detail} />
      <Card title="All calls of the request" hint="retries and fallbacks, each with its exact cost">
        <Attempts caption="All calls of the request" calls={attempts} current={call.call_id} />
      </Card>
      <Facts call={call} />
    </div>
  );
}

function WhereItWent({ detail: { call, trace_id: trace, span_id: span } }: { readonly detail: CallDetail }) {
  const parts = partsOf(call);
  const to = useLinkTo();
  return (
    <Card
      title="Where its time went"
      aside={
        trace === null ? (
          <span className="text-xs text-soft">no trace of it was recorded</span>
        ) : (
          <Link href={to(`/traces/${trace}`, { span })} className="inline-flex items-center gap-1 text-[13px] font-medium text-accent hover:underline">
            Its trace, span by span
            <ArrowRight aria-hidden className="size-4" />
          </Link>
        )
      }
    >
      <div className="space-y-3 p-4">
        <TimeSplit label="Parts of its time" unit="ms" parts={parts} className="h-5" />
        <dl className="grid gap-x-6 gap-y-2 text-[13px] sm:grid-cols-2 lg:grid-cols-4">
          {TIME_PARTS.filter(([id]) => parts[id] !== undefined).map(([id, name, about, color]) => (
            <div key={id}>
              <dt className="flex items-center gap-1.5 text-xs text-soft" title={about}>
                <span aria-hidden className="size-2 rounded-xs" style={{ background: color }} />
                {name}
              </dt>
              <dd className="font-medium" data-testid={`part-${id}`}>
                <Duration ms={parts[id]} />
              </dd>
            </div>
          ))}
        </dl>
      </div>
    </Card>
  );
}

const BUCKETS = [
  ["uncached_input_tokens", "Read, not cached"],
  ["cache_read_tokens", "Read from the cache"],
  ["cache_write_5m_tokens", "Written to the cache, 5 min"],
  ["cache_write_1h_tokens", "Written to the cache, 1 h"],
  ["output_tokens", "Written"],
  ["reasoning_tokens", "Written, of it for reasoning"],
  ["input_audio_tokens", "Audio read"],
  ["output_audio_tokens", "Audio written"],
  ["input_image_tokens", "Images read"],
] as const;

function Facts({ call }: { readonly call: CallView }) {
  const to = useLinkTo();
  const facts: readonly (readonly [string, ReactNode])[] = [
    ["Provider", call.provider],
    ["Model asked for", call.request_model],
    ["Operation", call.operation],
    ["Tenant", call.tenant_id],
    ["User", call.user_id],
    [
      "Conversation",
      call.conversation_id === null ? null : (
        <TextLink key="conversation" href={to(`/conversations/${encodeURIComponent(call.conversation_id)}`, { of: call.tenant_id })}>
          {call.conversation_id}
        </TextLink>
      ),
    ],
    ["API key", call.api_key_id],
    ["Service tier", call.service_tier],
    ["Region", call.region],
    ["Experiment", call.experiment_id === null ? null : `${call.experiment_id}: ${call.variant_id ?? ""}`],
    ["Prompt version", call.prompt_version],
    ["Tags", call.tags ? Object.entries(call.tags).map(([name, value]) => `${name}=${value}`).join(", ") : null],
    ["Price version", call.price_version],
    ["Usage from", call.usage_source],
    ["Source", `${call.source}, revision ${call.revision}`],
    ["Request", <code key="request">{call.request_id}</code>],
    ["Call", <code key="call">{call.call_id}</code>],
  ];
  const tokens = BUCKETS.filter(([name]) => call.tokens[name] > 0).map(([name, said]) => [said, <Count key={name} value={call.tokens[name]} />] as const);
  return (
    <div className="grid gap-4 lg:grid-cols-2">
      <Card title="What it was">
        <Pairs label="What it was" pairs={facts} />
      </Card>
      <Card title="Tokens" hint="disjoint but for reasoning">
        <Pairs label="Tokens" pairs={tokens} />
      </Card>
    </div>
  );
}
