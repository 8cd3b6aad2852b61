/** What the search finds behind the pages: asked a moment after the last letter, shown only for what is typed now. */

import { useEffect, useState } from "react";
import type { SearchHit } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { ago } from "@/lib/format";

const TYPED_MS = 150;

export interface Found {
  /** Null while it is asked for. */
  readonly hits: readonly SearchHit[] | null;
  readonly problem: string | null;
}

export function useFound(text: string): Found {
  const [asked, setAsked] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text), TYPED_MS);
    return () => clearTimeout(timer);
  }, [text]);
  const { data, error } = useAnswer("/api/v1/search", { query: { q: asked } }, { enabled: asked !== "" && asked === text, every: false });
  const current = asked === text;
  return {
    hits: current && data?.q === text ? data.hits.filter((hit) => placeOf(hit) !== null) : null,
    problem: current && error !== null ? error.message : null,
  };
}

const KINDS: Readonly<Record<SearchHit["kind"], string>> = {
  model: "Model",
  tenant: "Tenant",
  user: "User",
  conversation: "Conversation",
  call: "Call",
  request: "Request",
  trace: "Trace",
};

/** `Conversation of acme, last active 5 m ago`. */
export function aboutHit(hit: SearchHit): string {
  const whose = hit.tenant_id === null || hit.kind === "tenant" ? "" : ` of ${hit.tenant_id}`;
  const active = hit.kind === "user" || hit.kind === "conversation" ? "last active " : "";
  const parts = [hit.about, hit.at === null ? null : `${active}${ago(hit.at)}`];
  return [`${KINDS[hit.kind]}${whose}`, ...parts.filter((part) => part !== null)].join(", ");
}

/** Where it is looked at: path, and what it adds to the search; null for a request of which no call is known. */
export function placeOf({ kind, id, tenant_id: tenant, call_id: call }: SearchHit): readonly [string, Readonly<Record<string, string | null>>] | null {
  const name = encodeURIComponent(id);
  switch (kind) {
    case "model":
      return ["/costs", { model: id }];
    case "tenant":
      return ["/", { tenant: id }];
    case "user":
      return ["/costs", { user: id, tenant }];
    case "conversation":
      return [`/conversations/${name}`, { of: tenant }];
    case "call":
      return [`/calls/${name}`, {}];
    case "request":
      return call === null ? null : [`/calls/${call}`, {}];
    case "trace":
      return [`/traces/${name}`, {}];
  }
}
