/** The API key of this tab: asked for once, when the gateway wants one, and forgotten with the tab. */

import { useSyncExternalStore } from "react";

const PLACE = "observatory-key";

export interface KeyState {
  readonly key: string | null;
  /** What the gateway said when it refused; null: it did not. */
  readonly refused: string | null;
}

let state: KeyState = { key: sessionStorage.getItem(PLACE), refused: null };
const listeners = new Set<() => void>();

function set(next: KeyState): void {
  state = next;
  for (const listener of listeners) listener();
}

export function setKey(key: string): void {
  sessionStorage.setItem(PLACE, key);
  set({ key, refused: null });
}

export function forgetKey(): void {
  sessionStorage.removeItem(PLACE);
  set({ key: null, refused: null });
}

/** The gateway answered 401 to a request that was sent with this key. */
export function keyRefused(used: string | null, why: string): void {
  if (used === state.key) set({ key: state.key, refused: why });
}

export function currentKey(): string | null {
  return state.key;
}

export function onKeyChange(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useKey(): KeyState {
  return useSyncExternalStore(onKeyChange, () => state);
}

export function authorisation(key: string | null): Record<string, string> {
  return key === null ? {} : { authorization: `Bearer ${key}` };
}
