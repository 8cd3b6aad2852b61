/**
 * The live feed: one stream for each tenant that is looked at (null: all that may be seen), as long as somebody looks.
 * What it keeps is bounded: the sums of the last five minutes, second by second, and the last alerts. It is read with
 * fetch, since an EventSource cannot send a key.
 */

import { useSyncExternalStore } from "react";
import { Ring } from "@/lib/ring";
import { refusal } from "./client";
import { authorisation, currentKey, onKeyChange } from "./key";
import type { AlertRaised, AlertResolved, LiveSecond, LiveStatus, LiveSums } from "./schema";
import { type ServerEvent, serverEvents } from "./serverEvents";

export const SECONDS_KEPT = 300;
const ALERTS_KEPT = 50;
const PAUSES_MS = [500, 1_000, 2_000, 5_000] as const;

export interface Live {
  /** `open`: events come; `connecting`: at first; `broken`: it was lost and is tried again. */
  readonly state: "connecting" | "open" | "broken";
  readonly problem: string | null;
  readonly inFlight: number | null;
  /** Up to when the sums are complete. */
  readonly until: string | null;
  /** Of the last minute that is complete. */
  readonly minute: LiveSums | null;
  /** By the second in which they begin, in seconds since 1970, oldest first; one without calls is left out. */
  readonly seconds: readonly (readonly [number, LiveSecond])[];
  readonly alerts: readonly (AlertRaised | AlertResolved)[];
}

const NOTHING_YET: Live = {
  state: "connecting",
  problem: null,
  inFlight: null,
  until: null,
  minute: null,
  seconds: [],
  alerts: [],
};

class Feed {
  private live = NOTHING_YET;
  private readonly seconds = new Ring<LiveSecond>(SECONDS_KEPT);
  private readonly listeners = new Set<() => void>();
  private stop: AbortController | null = null;
  private lastId: string | null = null;

  constructor(private readonly tenant: string | null) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    if (this.listeners.size === 1) this.open();
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) this.stop?.abort();
    };
  };

  readonly snapshot = (): Live => this.live;

  /** Begins anew: another key sees other calls. */
  restart(): void {
    this.seconds.clear();
    this.lastId = null;
    this.tell(NOTHING_YET);
    if (this.listeners.size > 0) this.open();
  }

  private open(): void {
    this.stop?.abort();
    this.stop = new AbortController();
    void this.run(this.stop.signal);
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
        this.tell({ state: "broken", problem: error instanceof Error ? error.message : String(error) });
      }
      await pause(PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)] ?? 5_000, signal);
    }
  }

  private async *events(signal: AbortSignal): AsyncGenerator<ServerEvent> {
    const key = currentKey();
    const of = this.tenant === null ? "" : `&tenant=${encodeURIComponent(this.tenant)}`;
    const resume = this.lastId === null ? {} : { "last-event-id": this.lastId };
    const response = await fetch(`/api/v1/live?figures=true${of}`, {
      headers: { accept: "text/event-stream", ...authorisation(key), ...resume },
      signal,
    });
    if (!response.ok || !response.body) throw await refusal(response, key);
    this.tell({ state: "open", problem: null });
    yield* serverEvents(response.body);
  }

  private take(event: ServerEvent): void {
    if (event.id !== null) this.lastId = event.id;
    if (event.name === "status") {
      const status = JSON.parse(event.data) as LiveStatus;
      for (const second of status.figures?.seconds ?? []) this.seconds.put(Date.parse(second.at) / 1000, second);
      this.tell({
        inFlight: status.in_flight,
        until: status.complete_until,
        minute: status.figures?.minute ?? this.live.minute,
        seconds: this.seconds.entries(),
      });
    } else if (event.name.startsWith("alert.")) {
      const alert = JSON.parse(event.data) as AlertRaised | AlertResolved;
      const others = this.live.alerts.filter((each) => each.alert_id !== alert.alert_id);
      this.tell({ alerts: [alert, ...others].slice(0, ALERTS_KEPT) });
    }
  }

  private tell(changes: Partial<Live>): void {
    this.live = { ...this.live, ...changes };
    for (const listener of this.listeners) listener();
  }
}

const feeds = new Map<string | null, Feed>();
let key = currentKey();
onKeyChange(() => {
  if (key === currentKey()) return;
  key = currentKey();
  for (const feed of feeds.values()) feed.restart();
});

function feedOf(tenant: string | null): Feed {
  const found = feeds.get(tenant) ?? new Feed(tenant);
  feeds.set(tenant, found);
  return found;
}

/** What happens now, once a second anew; of one tenant, or of all that may be seen. */
export function useLive(tenant: string | null = null): Live {
  const feed = feedOf(tenant);
  return useSyncExternalStore(feed.subscribe, feed.snapshot);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      done();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener("abort", over);
  });
}
