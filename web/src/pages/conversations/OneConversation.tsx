import { Link } from "wouter";
import type { ConversationTurns, TurnView } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { Figure, Figures } from "@/components/Figure";
import { Page } from "@/components/Page";
import { Pager } from "@/components/Pager";
import { Loaded, SkeletonRows } from "@/components/states";
import { toneOf } from "@/components/tones";
import { Watermark } from "@/components/Watermark";
import { plain } from "@/lib/decimal";
import { clock, count, exactCount, exactTime, exactUsd, usd } from "@/lib/format";
import { useLinkTo, useView } from "@/lib/view";
import { Attempts } from "../calls/Attempts";

const TURNS = 30;

/** One conversation, turn by turn, with every attempt; whose it is stands in the address as `of`. */
export function OneConversation({ name }: { readonly name: string }) {
  const { search } = useView();
  const to = useLinkTo();
  const query = { tenant: search.get("of"), limit: TURNS, cursor: search.get("cursor") };
  const asked = useAnswer("/api/v1/analytics/conversations/{conversation_id}", { path: { conversation_id: name }, query });
  return (
    <Page title="Conversation" period={false} filters={false} watermark={<Watermark until={asked.data?.watermark} />}>
      <Loaded asked={asked} skeleton={<SkeletonRows rows={12} />}>
        {(data) => (
          <div className="space-y-4">
            <Whole data={data} traces={to("/traces", { conversation: name, from: data.first_activity, to: after(data.last_activity), last: null })} />
            <ol className="space-y-3" aria-label="Turns">
              {data.rows.map((turn) => (
                <li key={`${turn.tenant_id} ${turn.request_id}`}>
                  <Turn turn={turn} />
                </li>
              ))}
            </ol>
            <Pager next={data.next} />
          </div>
        )}
      </Loaded>
    </Page>
  );
}

function Whole({ data, traces }: { readonly data: ConversationTurns; readonly traces: string }) {
  return (
    <Card
      title={<span className="break-all">{data.conversation_id}</span>}
      hint={
        <span title={`${exactTime(data.first_activity)} – ${exactTime(data.last_activity)}`}>
          {clock(data.first_activity)} – {clock(data.last_activity)}
        </span>
      }
      aside={
        <Link href={traces} className="text-[13px] font-medium text-accent hover:underline">
          Its traces
        </Link>
      }
    >
      <Figures label="Figures of the conversation">
        <Figure
          name="Cost"
          testId="cost"
          value={usd(data.cost_usd)}
          exact={exactUsd(data.cost_usd)}
          note={data.unpriced_calls > 0 ? `${count(data.unpriced_calls)} unpriced` : null}
        />
        <Figure name="Turns" testId="turns" value={count(data.turns)} exact={`${exactCount(data.turns)} requests`} />
        <Figure name="Calls" value={count(data.calls)} exact={`${exactCount(data.calls)} attempts, all of them sent`} />
        <Figure name="Errors" value={count(data.errors)} exact={`${exactCount(data.errors)} attempts failed`} />
        <Figure name="Tokens" value={count(data.tokens)} exact={`${exactCount(data.tokens)} read and written`} />
      </Figures>
    </Card>
  );
}

function Turn({ turn }: { readonly turn: TurnView }) {
  return (
    <Card
      title={<time dateTime={turn.started_at} title={exactTime(turn.started_at)}>{clock(turn.started_at)}</time>}
      hint={turn.user_id ?? ""}
      aside={
        <>
          <Badge tone={toneOf(turn.status)}>{turn.status}</Badge>
          {turn.unpriced_calls > 0 ? <Badge tone="warn">{turn.unpriced_calls} unpriced</Badge> : null}
          <data value={turn.cost_usd} title="the whole turn, all attempts" className="text-[13px] font-semibold">
            ${plain(turn.cost_usd)}
          </data>
        </>
      }
    >
      <Attempts caption={`Attempts of the turn of ${exactTime(turn.started_at)}`} calls={turn.calls} />
    </Card>
  );
}

/** A minute later: periods end before their last moment. */
function after(moment: string): string {
  return new Date(Date.parse(moment) + 60_000).toISOString();
}
