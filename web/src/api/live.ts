/**
 * The live feed: one stream for the whole page, as long as somebody looks. What it keeps is bounded: the windows of the
 * last five minutes, the last alerts. It is read with fetch, since an EventSource cannot send a key.
 */

import { useSyncExternalStore } from "react";
import { Ring } from "@/lib/ring";
import { refusal } from "./client";
import { authorisation, currentKey, onKeyChange } from "./key";
import type { AlertRaised, AlertResolved, LiveStatus, MetricsWindow } from "./schema";
import { type ServerEvent, serverEvents } from "./serverEvents";

export const SECONDS_KEPT = 300;
const ALERTS_KEPT = 50;
const TELL_EVERY_MS = 250;
const PAUSES_MS = [500, 1_000, 2_000, 5_000] as const;

export interface Live {
  /** `open`: events come; `connecting`: at first; `broken`: it was lost and is tried again. */
  readonly state: "connecting" | "open" | "broken";
  readonly problem: string | null;
  readonly status: LiveStatus | null;
  /** By the second in which they begin, in ms since 1970; a second without calls has none. */
  readonly windows: readonly (readonly [number, MetricsWindow])[];
  readonly alerts: readonly (AlertRaised | AlertResolved)[];
}

class Feed {
  private live: Live = { state: "connecting", problem: null, status: null, windows: [], alerts: [] };
  private readonly windows = new Ring<MetricsWindow>(SECONDS_KEPT);
  private readonly listeners = new Set<() => void>();
  private stop: AbortController | null = null;
  private lastId: string | null = null;
  private telling: ReturnType<typeof setTimeout> | null = null;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.open();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.close();
    };
  };

  readonly snapshot = (): Live => this.live;

  /** Begins anew: another key sees other calls. */
  restart(): void {
    this.windows.clear();
    this.lastId = null;
    this.live = { state: "connecting", problem: null, status: null, windows: [], alerts: [] };
    this.tell();
    if (this.listeners.size > 0) this.open();
  }

  private open(): void {
    this.stop?.abort();
    this.stop = new AbortController();
    void this.run(this.stop.signal);
  }

  private close(): void {
    this.stop?.abort();
    this.stop = null;
    if (this.telling) clearTimeout(this.telling);
    this.telling = null;
  }

  private async run(signal: AbortSignal): Promise<void> {
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        for await (const event of this.events(signal)) {
          failures = 0;
          this.take(event);
        }
      } catch (error) {
        if (signal.aborted) return;
        this.live = { ...this.live, state: "broken", problem: error instanceof Error ? error.message : String(error) };
        this.tell();
      }
      await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 5_000, signal);
    }
  }

  private async *events(signal: AbortSignal): AsyncGenerator<ServerEvent> {
    const key = currentKey();
    const resume = this.lastId === null ? {} : { "last-event-id": this.lastId };
    const response = await fetch("/api/v1/live", {
      headers: { accept: "text/event-stream", ...authorisation(key), ...resume },
      signal,
    });
    if (!response.ok || !response.body) throw await refusal(response, key);
    this.live = { ...this.live, state: "open", problem: null };
    yield* serverEvents(response.body);
  }

  private take(event: ServerEvent): void {
    if (event.id !== null) this.lastId = event.id;
    if (event.name === "metrics.window") {
      const window = JSON.parse(event.data) as MetricsWindow;
      this.windows.put(Date.parse(window.window_start), window, (old) => old.revision < window.revision);
    } else if (event.name === "status") {
      this.live = { ...this.live, status: JSON.parse(event.data) as LiveStatus };
    } else if (event.name.startsWith("alert.")) {
      const alert = JSON.parse(event.data) as AlertRaised | AlertResolved;
      const others = this.live.alerts.filter((each) => each.alert_id !== alert.alert_id);
      this.live = { ...this.live, alerts: [alert, ...others].slice(0, ALERTS_KEPT) };
    }
    this.telling ??= setTimeout(() => {
      this.telling = null;
      this.live = { ...this.live, windows: this.windows.entries() };
      this.tell();
    }, TELL_EVERY_MS);
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

const feed = new Feed();
let key = currentKey();
onKeyChange(() => {
  if (key !== currentKey()) {
    key = currentKey();
    feed.restart();
  }
});

/** What happens now, at most four times a second anew. */
export function useLive(): Live {
  return useSyncExternalStore(feed.subscribe, feed.snapshot);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      done();
    }, { once: true });
  });
}
