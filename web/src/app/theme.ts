/** Dark and light: the system's, unless one was chosen here. `public/theme.js` sets it before the first paint. */

import { useSyncExternalStore } from "react";

export type Choice = "system" | "light" | "dark";
export type Theme = "light" | "dark";

const PLACE = "theme";
const system = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set<() => void>();

function chosen(): Choice {
  const stored = localStorage.getItem(PLACE);
  return stored === "light" || stored === "dark" ? stored : "system";
}

function apply(): void {
  const choice = chosen();
  document.documentElement.dataset["theme"] = choice === "system" ? (system.matches ? "dark" : "light") : choice;
  for (const listener of listeners) listener();
}

system.addEventListener("change", apply);

export function choose(choice: Choice): void {
  if (choice === "system") localStorage.removeItem(PLACE);
  else localStorage.setItem(PLACE, choice);
  apply();
}

export function toggleTheme(): void {
  choose(current() === "dark" ? "light" : "dark");
}

function current(): Theme {
  return document.documentElement.dataset["theme"] === "dark" ? "dark" : "light";
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** The theme that is shown; canvases must be drawn anew when it changes. */
export function useTheme(): Theme {
  return useSyncExternalStore(subscribe, current);
}
