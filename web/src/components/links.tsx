/** Where a conversation and a call are looked at, from any page; the period and the filters go along. */

import { Link } from "wouter";
import { useLinkTo } from "@/lib/view";

const LOOK = "text-accent hover:underline";

export function ConversationLink({ id, tenant }: { readonly id: string; readonly tenant: string }) {
  const to = useLinkTo();
  return (
    <Link href={to(`/conversations/${encodeURIComponent(id)}`, { of: tenant })} className={LOOK}>
      {id}
    </Link>
  );
}

/** By the first digits of its id. */
export function CallLink({ id }: { readonly id: string }) {
  const to = useLinkTo();
  return (
    <Link href={to(`/calls/${id}`)} title={`call ${id}`} className={`${LOOK} font-mono text-xs`}>
      {id.slice(0, 8)}
    </Link>
  );
}
