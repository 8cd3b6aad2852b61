import { useCallback } from "react";
import { Link } from "wouter";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Count, Money, Percent } from "@/components/Figure";
import { ListPage } from "@/components/ListPage";
import { SearchField } from "@/components/SearchField";
import { Select } from "@/components/Select";
import { Empty } from "@/components/states";
import { useOnly } from "@/components/Unheeded";
import { clock, exactTime, NOTHING } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { useLinkTo, useView } from "@/lib/view";

const SHOWN = 30;
const HEEDED = ["tenant", "user", "model"] as const;
const ORDERS = [
  ["last_activity", "Latest first"],
  ["cost", "Dearest first"],
  ["tokens", "Longest first"],
  ["quality", "Best rated first"],
] as const;

/** Conversations whose last call lies in the period, found by their name and by whose they are. */
export function ConversationList() {
  const { period, search, set } = useView();
  const to = useLinkTo();
  const only = useOnly(HEEDED);
  const [order] = ORDERS.find(([id]) => id === search.get("order")) ?? ORDERS[0];
  const named = search.get("q") ?? "";
  const query = { ...asQuery(period), ...only, order, limit: SHOWN, cursor: search.get("cursor"), named: named || null };
  const asked = useAnswer("/api/v1/analytics/conversations", { query });
  const look = useCallback((text: string) => set({ q: text || null, cursor: null }), [set]);
  return (
    <ListPage
      title="Conversations"
      hint="Whose last call lies in the period"
      controls={
        <>
          <SearchField label="Part of a name" value={named} onSearch={look} />
          <Select label="Order" value={order} options={ORDERS} onChange={(next) => set({ order: next, cursor: null }, "push")} />
        </>
      }
      asked={asked}
      heeded={HEEDED}
      empty={
        <Empty title="No such conversation in this period">
          {named === "" ? "Calls that name a conversation make one." : "Its name must have these letters in it; a longer period may hold it."}
        </Empty>
      }
      rowKey={(row) => `${row.tenant_id} ${row.conversation_id}`}
      columns={[
        {
          id: "name",
          head: "Conversation",
          cell: (row) => (
            <Link href={to(`/conversations/${encodeURIComponent(row.conversation_id)}`, { of: row.tenant_id })} className="font-medium text-accent hover:underline">
              {row.conversation_id}
            </Link>
          ),
        },
        { id: "tenant", head: "Tenant", wide: true, cell: (row) => row.tenant_id },
        { id: "users", head: "Users", wide: true, cell: (row) => row.users.join(", ") || NOTHING },
        { id: "models", head: "Models", wide: true, cell: (row) => row.models.map((each) => each.model).join(", ") },
        { id: "turns", head: "Turns", numeric: true, cell: (row) => <Count value={row.turns} /> },
        {
          id: "errors",
          head: "Errors",
          numeric: true,
          wide: true,
          cell: (row) => (row.errors > 0 ? <Badge tone="bad">{row.errors}</Badge> : <span className="text-soft">0</span>),
        },
        {
          id: "context",
          head: "Context",
          numeric: true,
          wide: true,
          cell: (row) => (
            <span title={`the last turn read ${row.context.last_tokens} tokens`}>
              <Count value={row.context.last_tokens} />
              {row.window_use === null ? null : (
                <span className="text-soft">
                  {" "}
                  (<Percent rate={row.window_use} />)
                </span>
              )}
            </span>
          ),
        },
        { id: "last", head: "Last call", numeric: true, wide: true, cell: (row) => <time dateTime={row.last_activity} title={exactTime(row.last_activity)}>{clock(row.last_activity)}</time> },
        { id: "cost", head: "Cost", numeric: true, cell: (row) => <Money amount={row.cost_usd} className="font-medium" /> },
      ]}
    />
  );
}
