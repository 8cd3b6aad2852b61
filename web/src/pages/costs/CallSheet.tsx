import type { ReactNode } from "react";
import { Link } from "wouter";
import type { CallView } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Dialog } from "@/components/Dialog";
import { Count, Duration, Money } from "@/components/Figure";
import { TextLink } from "@/components/Pairs";
import { Loaded } from "@/components/states";
import { Watermark } from "@/components/Watermark";
import { clock, exactTime } from "@/lib/format";
import { useLinkTo, useView } from "@/lib/view";
import { CallTable } from "./Calls";
import { toneOf } from "@/components/tones";

/** One call with all that is known of it, beside the page; which one stands in the address. */
export function CallSheet() {
  const { search, set } = useView();
  const id = search.get("call");
  return (
    <Dialog title="Call" place="sheet" open={id !== null} onClose={() => set({ call: null })}>
      {id === null ? null : <Known id={id} />}
    </Dialog>
  );
}

function Known({ id }: { readonly id: string }) {
  const asked = useAnswer("/api/v1/calls/{call_id}", { path: { call_id: id } });
  return (
    <Loaded asked={asked}>
      {({ call, attempts, watermark }) => (
        <div className="pb-6">
          <div className="flex flex-wrap items-center gap-2 px-4 py-3">
            <span data-testid="call-cost"><Money amount={call.cost_usd} className="text-xl font-semibold" /></span>
            <Badge tone={toneOf(call.status)}>{call.error_type ?? call.status}</Badge>
            <Badge tone={call.cost_state === "estimated" ? "warn" : "neutral"}>{call.cost_state}</Badge>
            <span className="ml-auto">
              <Watermark until={watermark} />
            </span>
          </div>
          <Facts call={call} />
          <Tokens call={call} />
          <h3 className="px-4 pt-4 pb-1 text-[13px] font-semibold">All calls of the request</h3>
          <CallTable caption="All calls of the request" rows={attempts} ofOne />
        </div>
      )}
    </Loaded>
  );
}

function Facts({ call }: { readonly call: CallView }) {
  const to = useLinkTo();
  const facts: readonly (readonly [string, ReactNode])[] = [
    ["Model", call.model === call.request_model ? call.model : `${call.model}, asked for as ${call.request_model}`],
    ["Provider", call.provider],
    ["Began", <time key="began" dateTime={call.started_at} title={exactTime(call.started_at)}>{clock(call.started_at)}</time>],
    ["Waited in the queue", <Duration key="queue" ms={call.queue_ms} />],
    ["Policy", <Duration key="policy" ms={call.policy_ms} />],
    ["First token after", <Duration key="ttft" ms={call.ttft_ms} />],
    ["Last byte after", <Duration key="total" ms={call.total_ms} />],
    ["Tenant", call.tenant_id],
    ["User", call.user_id],
    ["Conversation", call.conversation_id === null ? null : <OfConversation key="conversation" id={call.conversation_id} />],
    ["API key", call.api_key_id],
    ["Attempt", `${call.attempt} (revision ${call.revision})`],
    ["Usage from", call.usage_source],
    ["Price", call.price_version],
    ["Service tier", call.service_tier],
    ["Experiment", call.experiment_id === null ? null : `${call.experiment_id}: ${call.variant_id ?? ""}`],
    ["Prompt version", call.prompt_version],
    ["Tags", call.tags ? Object.entries(call.tags).map(([name, value]) => `${name}=${value}`).join(", ") : null],
    ["Request", <code key="request">{call.request_id}</code>],
    ["Call", <TextLink key="call" href={to(`/calls/${call.call_id}`)}>{call.call_id}, and where its time went</TextLink>],
  ];
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5 border-y px-4 py-3 text-[13px]">
      {facts
        .filter(([, value]) => value !== null && value !== "")
        .map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="min-w-0 break-words">{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function OfConversation({ id }: { readonly id: string }) {
  const { href } = useView();
  return (
    <Link href={href({ conversation: id, call: null, tab: null })} className="text-accent underline">
      {id}
    </Link>
  );
}

const BUCKETS = [
  ["uncached_input_tokens", "Read, not cached"],
  ["cache_read_tokens", "Read from the cache"],
  ["cache_write_5m_tokens", "Written to the cache, 5 min"],
  ["cache_write_1h_tokens", "Written to the cache, 1 h"],
  ["output_tokens", "Written"],
  ["reasoning_tokens", "of it for reasoning"],
  ["input_audio_tokens", "Audio read"],
  ["output_audio_tokens", "Audio written"],
  ["input_image_tokens", "Images read"],
] as const;

function Tokens({ call }: { readonly call: CallView }) {
  return (
    <>
      <h3 className="px-4 pt-4 pb-1 text-[13px] font-semibold">Tokens</h3>
      <dl className="grid grid-cols-[auto_1fr] gap-x-6 gap-y-1.5 px-4 text-[13px]">
        {BUCKETS.filter(([name]) => call.tokens[name] > 0).map(([name, said]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{said}</dt>
            <dd>
              <Count value={call.tokens[name]} />
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}
