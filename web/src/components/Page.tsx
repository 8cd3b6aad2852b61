import { Pause, Play } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { useView } from "@/lib/view";
import { Button } from "./Button";
import { Filters } from "./Filters";
import { PeriodPicker } from "./PeriodPicker";

interface Props {
  readonly title: string;
  readonly watermark?: ReactNode;
  /** False for a page that is about now, not about a period. */
  readonly period?: boolean;
  readonly filters?: boolean;
  /** More controls, before the period. */
  readonly controls?: ReactNode;
  readonly children: ReactNode;
}

/** The frame of every page: its title, what it is about, up to when it is complete, and its parts. */
export function Page({ title, watermark, period = true, filters = true, controls, children }: Props) {
  useEffect(() => {
    document.title = `${title} · LLM Observatory`;
  }, [title]);
  return (
    <>
      <header className="sticky top-0 z-20 flex flex-wrap items-center gap-x-4 gap-y-2 border-b bg-page/95 px-4 py-2.5 backdrop-blur-sm max-md:top-12 md:px-6">
        <h1 className="text-base font-semibold tracking-tight">{title}</h1>
        {watermark}
        <div className="ml-auto flex flex-wrap items-center justify-end gap-2">
          {controls}
          {filters ? <Filters /> : null}
          {period ? <PeriodPicker /> : null}
          <Refreshing />
        </div>
      </header>
      <div className="space-y-4 p-4 md:p-6">{children}</div>
    </>
  );
}

function Refreshing() {
  const { search, set } = useView();
  const off = search.get("refresh") === "off";
  return (
    <Button
      look="quiet"
      data-hotkey="refresh"
      aria-pressed={!off}
      aria-label="Refresh by itself"
      title={off ? "Stands still: press to refresh by itself" : "Refreshes by itself: press to hold it still"}
      icon={off ? <Play aria-hidden /> : <Pause aria-hidden />}
      onClick={() => set({ refresh: off ? null : "off" })}
    />
  );
}
