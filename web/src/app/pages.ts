/** All pages: to add one is to add a line here and its folder in `pages/`. */

import { Bell, CircleDollarSign, FlaskConical, Gauge, type LucideIcon, MessagesSquare, Radio, Timer, Waypoints } from "lucide-react";
import { type ComponentType, type LazyExoticComponent, lazy } from "react";
import { AlertCount } from "./AlertCount";

export interface PageEntry {
  readonly path: string;
  /** What else of it there is, as a wouter pattern: one thing of many, at the end of the path. */
  readonly pattern?: string;
  readonly name: string;
  readonly about: string;
  readonly icon: LucideIcon;
  /** With `g` before it, goes there. */
  readonly hotkey: string;
  /** Shown at the right of its name. */
  readonly Count?: ComponentType;
  readonly Component: LazyExoticComponent<ComponentType>;
}

export const PAGES: readonly PageEntry[] = [
  {
    path: "/",
    name: "Overview",
    about: "Requests, cost, latency and errors, and what changed",
    icon: Gauge,
    hotkey: "o",
    Component: lazy(() => import("@/pages/overview/Overview")),
  },
  {
    path: "/costs",
    name: "Costs",
    about: "What calls cost, by anything, down to the call; budgets, waste, re-pricing",
    icon: CircleDollarSign,
    hotkey: "c",
    Component: lazy(() => import("@/pages/costs/Costs")),
  },
  {
    path: "/performance",
    name: "Performance",
    about: "Where the time goes, how it is spread, throughput, providers side by side, the slowest calls",
    icon: Timer,
    hotkey: "p",
    Component: lazy(() => import("@/pages/performance/Performance")),
  },
  {
    path: "/conversations",
    pattern: "/conversations/:name?",
    name: "Conversations",
    about: "Find one, and read it turn by turn with every attempt and its cost",
    icon: MessagesSquare,
    hotkey: "v",
    Component: lazy(() => import("@/pages/conversations/Conversations")),
  },
  {
    path: "/calls",
    pattern: "/calls/:name?",
    name: "Calls",
    about: "The slowest, dearest, latest; one with all that is known of it",
    icon: Radio,
    hotkey: "l",
    Component: lazy(() => import("@/pages/calls/Calls")),
  },
  {
    path: "/traces",
    pattern: "/traces/:name?",
    name: "Traces",
    about: "Requests through all services, each as a waterfall of its spans",
    icon: Waypoints,
    hotkey: "t",
    Component: lazy(() => import("@/pages/traces/Traces")),
  },
  {
    path: "/quality",
    name: "Experiments",
    about: "Quality: which variant wins, with how sure that is; scores and what people said",
    icon: FlaskConical,
    hotkey: "e",
    Component: lazy(() => import("@/pages/quality/Quality")),
  },
  {
    path: "/health",
    name: "Alerts & health",
    about: "Whether anything is wrong right now: alerts, anomalies, processes, dead letters, what could be saved",
    icon: Bell,
    hotkey: "h",
    Count: AlertCount,
    Component: lazy(() => import("@/pages/health/Health")),
  },
];
