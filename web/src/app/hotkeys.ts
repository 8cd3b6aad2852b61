/** Keys for everything: `g` and a letter for a page, single keys for the rest. None of them acts while one types. */

import { useEffect } from "react";

export interface Hotkey {
  /** One key, or two after each other: `g o`. */
  readonly keys: string;
  /** The same with Ctrl or ⌘ held, also while one types. */
  readonly held?: string;
  readonly does: string;
  readonly run: () => void;
}

const SECOND_KEY_MS = 1_500;

/** Presses the control of the page that is marked with `data-hotkey`. */
export function press(name: string): void {
  document.querySelector<HTMLElement>(`[data-hotkey="${name}"]`)?.click();
}

export function useHotkeys(hotkeys: readonly Hotkey[]): void {
  useEffect(() => {
    let before = "";
    let at = 0;
    const pressed = (event: KeyboardEvent) => {
      const held = (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey ? event.key.toLowerCase() : null;
      const chord = held === null ? undefined : hotkeys.find((each) => each.held === held);
      if (chord) {
        event.preventDefault();
        chord.run();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) return;
      const pair = event.timeStamp - at < SECOND_KEY_MS ? `${before} ${event.key}` : "";
      const found = hotkeys.find((each) => each.keys === pair) ?? hotkeys.find((each) => each.keys === event.key);
      before = event.key;
      at = event.timeStamp;
      if (!found) return;
      event.preventDefault();
      before = "";
      found.run();
    };
    document.addEventListener("keydown", pressed);
    return () => document.removeEventListener("keydown", pressed);
  }, [hotkeys]);
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.closest("dialog") !== null;
}
