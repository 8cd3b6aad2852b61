/** All pages: to add one is to add a line here and its folder in `pages/`. */

import { CircleDollarSign, Gauge, type LucideIcon } from "lucide-react";
import { type ComponentType, type LazyExoticComponent, lazy } from "react";

export interface PageEntry {
  /** A wouter pattern. */
  readonly path: string;
  readonly name: string;
  readonly about: string;
  readonly icon: LucideIcon;
  /** With `g` before it, goes there. */
  readonly hotkey: string;
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
];
