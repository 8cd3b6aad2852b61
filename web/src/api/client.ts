/** The gateway's HTTP API, by its paths: what comes back has the type of its OpenAPI document. */

import { authorisation, currentKey, keyRefused } from "./key";
import type { paths } from "./schema";

type Scalar = string | number | boolean;
export type Query = Readonly<Record<string, Scalar | readonly Scalar[] | null | undefined>>;

type Gets = { [P in keyof paths]: paths[P] extends { readonly get: infer G } ? (G extends undefined ? never : P) : never }[keyof paths];
type Got<P extends Gets> = paths[P] extends {
  readonly get: { readonly responses: { readonly 200: { readonly content: { readonly "application/json": infer Body } } } };
}
  ? Body
  : never;
export type GetPath = Gets;
export type Answer<P extends Gets> = Got<P>;

/** The names in braces in a path. */
type Names<P extends string> = P extends `${string}{${infer Name}}${infer Rest}` ? Name | Names<Rest> : never;
export type PathValues<P extends string> = Readonly<Record<Names<P>, string>>;

export interface Question<P extends string> {
  readonly query?: Query;
  readonly path?: PathValues<P>;
}

/** What went wrong, as the gateway says it (RFC 9457), or that it could not be reached: then `status` is 0. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    detail: string,
  ) {
    super(detail);
    this.name = "ApiError";
  }

  /** Whether the same again may succeed. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

const PATIENCE_MS = 30_000;

/** Asks; raises `ApiError`. */
export async function get<P extends GetPath>(path: P, question: Question<P> = {}, signal?: AbortSignal): Promise<Answer<P>> {
  return (await exchange(addressOf(path, question), {}, signal)) as Answer<P>;
}

type Posts = { [P in keyof paths]: paths[P] extends { readonly post: infer G } ? (G extends undefined ? never : P) : never }[keyof paths];
type Posted<P extends Posts> = paths[P] extends {
  readonly post: { readonly responses: { readonly 200: { readonly content: { readonly "application/json": infer Body } } } };
}
  ? Body
  : never;

/** Has something done; raises `ApiError`. It is never sent twice by itself. */
export async function post<P extends Posts>(path: P, question: Question<P>, body: object): Promise<Posted<P>> {
  const sent = { method: "POST", body: JSON.stringify(body), headers: { "content-type": "application/json" } };
  return (await exchange(addressOf(path, question), sent)) as Posted<P>;
}

async function exchange(address: string, request: RequestInit, signal?: AbortSignal): Promise<unknown> {
  const key = currentKey();
  const patience = AbortSignal.timeout(PATIENCE_MS);
  let response: Response;
  try {
    response = await fetch(address, {
      ...request,
      headers: { accept: "application/json", ...(request.headers as Record<string, string> | undefined), ...authorisation(key) },
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "Gateway not reached", "the gateway does not answer; it may be down or starting");
  }
  if (!response.ok) throw await refusal(response, key);
  return response.json();
}

/** The address of a question, also for links to CSV. */
export function addressOf<P extends string>(path: P, { query = {}, path: values }: Question<P>): string {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = (values as Readonly<Record<string, string>> | undefined)?.[name];
    if (value === undefined) throw new TypeError(`${path} needs ${name}`);
    return encodeURIComponent(value);
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    for (const each of Array.isArray(value) ? (value as readonly Scalar[]) : [value as Scalar]) search.append(name, String(each));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

/** Reads a refusal; a 401 makes the page ask for a key. */
export async function refusal(response: Response, key: string | null): Promise<ApiError> {
  let title = response.statusText || "Error";
  let detail = `the gateway answered ${response.status}`;
  try {
    const problem: unknown = await response.json();
    if (typeof problem === "object" && problem !== null) {
      const { title: said, detail: why } = problem as { readonly title?: unknown; readonly detail?: unknown };
      if (typeof said === "string") title = said;
      if (typeof why === "string") detail = why;
    }
  } catch {
    detail += " without saying why"; // no JSON: something between the page and the gateway answered
  }
  if (response.status === 401) keyRefused(key, detail);
  return new ApiError(response.status, title, detail);
}
