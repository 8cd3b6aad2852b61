/** A view is its address: period, grouping, filters and what is open are search parameters, so any view can be shared. */

import { useCallback, useMemo } from "react";
import { useLocation, useSearch, useSearchParams } from "wouter";
import { type Period, periodIn } from "./period";

/** What calls can be chosen and grouped by. */
export const DIMENSIONS = [
  "model",
  "provider",
  "tenant",
  "user",
  "conversation",
  "operation",
  "status",
  "source",
  "api_key",
  "experiment",
  "variant",
  "prompt_version",
] as const;
export type Dimension = (typeof DIMENSIONS)[number];

export const DIMENSION_NAMES: Readonly<Record<Dimension, string>> = {
  model: "Model",
  provider: "Provider",
  tenant: "Tenant",
  user: "User",
  conversation: "Conversation",
  operation: "Operation",
  status: "Status",
  source: "Source",
  api_key: "API key",
  experiment: "Experiment",
  variant: "Variant",
  prompt_version: "Prompt version",
};

export type Filters = Readonly<Partial<Record<Dimension, readonly string[]>>>;

/** Changes some parameters of the address: null removes one. What `push` changes can be gone back from. */
export type Change = (changes: Readonly<Record<string, string | readonly string[] | null>>, how?: "push" | "replace") => void;

export interface View {
  readonly search: URLSearchParams;
  readonly period: Period;
  readonly filters: Filters;
  readonly set: Change;
  /** The address of this page with changes, for links. */
  readonly href: (changes: Readonly<Record<string, string | readonly string[] | null>>) => string;
}

export function useView(): View {
  const [search, setSearch] = useSearchParams();
  const text = search.toString();
  const set = useCallback<Change>(
    (changes, how = "replace") => setSearch((old) => changed(old, changes), { replace: how === "replace" }),
    [setSearch],
  );
  return useMemo(() => {
    const params = new URLSearchParams(text);
    return {
      search: params,
      period: periodIn(params),
      filters: filtersIn(params),
      set,
      href: (changes) => `?${changed(params, changes)}`,
    };
  }, [text, set]);
}

function changed(old: URLSearchParams, changes: Readonly<Record<string, string | readonly string[] | null>>): URLSearchParams {
  const next = new URLSearchParams(old);
  for (const [name, value] of Object.entries(changes)) {
    next.delete(name);
    for (const each of typeof value === "string" ? [value] : (value ?? [])) next.append(name, each);
  }
  return next;
}

function filtersIn(search: URLSearchParams): Filters {
  const found: Partial<Record<Dimension, readonly string[]>> = {};
  for (const name of DIMENSIONS) {
    const values = search.getAll(name);
    if (values.length > 0) found[name] = values;
  }
  return found;
}

/** What of an address goes along from page to page: the period, the filters, whether it refreshes itself. */
const KEPT = ["last", "from", "to", "refresh", ...DIMENSIONS];

/** The last part of the address's path as it was before it was written there, after `base`; null: there is none. */
export function useNameIn(base: string): string | null {
  useLocation(); // which is not read itself: its percent signs are taken away once, and cannot be told apart any more
  const { pathname } = window.location;
  return pathname.length > base.length + 1 ? decodeURIComponent(pathname.slice(base.length + 1)) : null;
}

/** Addresses of other pages, with what goes along and with changes. */
export function useLinkTo(): (path: string, changes?: Readonly<Record<string, string | null>>) => string {
  const kept = useKeptSearch();
  return useCallback(
    (path, changes = {}) => {
      const search = changed(new URLSearchParams(kept), changes).toString();
      return search ? `${path}?${search}` : path;
    },
    [kept],
  );
}

/** The search that a link to another page carries. */
export function useKeptSearch(): string {
  const search = useSearch();
  return useMemo(() => {
    const old = new URLSearchParams(search);
    const next = new URLSearchParams();
    for (const name of KEPT) for (const value of old.getAll(name)) next.append(name, value);
    const text = next.toString();
    return text ? `?${text}` : "";
  }, [search]);
}
