import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";
import { cx } from "./classes";

interface Props<V extends string> {
  readonly label: string;
  readonly value: V;
  readonly onChange: (value: V) => void;
  readonly tabs: readonly (readonly [V, ReactNode])[];
  /** What the chosen tab shows. */
  readonly children: ReactNode;
}

const STEPS: Readonly<Record<string, number>> = { ArrowRight: 1, ArrowLeft: -1 };

/** A row of tabs, moved along with the arrow keys, and what the chosen one shows. */
export function Tabs<V extends string>({ label, value, onChange, tabs, children }: Props<V>) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const at = tabs.findIndex(([each]) => each === value);
  const move = (event: KeyboardEvent) => {
    const edge = { Home: 0, End: tabs.length - 1 }[event.key];
    const step = STEPS[event.key];
    const next = edge ?? (step === undefined ? undefined : (at + step + tabs.length) % tabs.length);
    const found = next === undefined ? undefined : tabs[next];
    if (next === undefined || !found) return;
    event.preventDefault();
    onChange(found[0]);
    list.current?.querySelectorAll<HTMLElement>("[role=tab]")[next]?.focus();
  };
  return (
    <div>
      <div ref={list} role="tablist" aria-label={label} className="flex gap-1 overflow-x-auto border-b px-3">
        {tabs.map(([each, name]) => (
          <button
            key={each}
            type="button"
            role="tab"
            id={`${id}-${each}`}
            aria-selected={each === value}
            aria-controls={each === value ? `${id}-panel` : undefined}
            tabIndex={each === value ? 0 : -1}
            onClick={() => onChange(each)}
            onKeyDown={move}
            className={cx(
              "-mb-px border-b-2 px-2 py-2 text-[13px] font-medium whitespace-nowrap",
              each === value ? "border-accent text-ink" : "border-transparent text-soft hover:text-ink",
            )}
          >
            {name}
          </button>
        ))}
      </div>
      <div id={`${id}-panel`} role="tabpanel" aria-labelledby={`${id}-${value}`}>
        {children}
      </div>
    </div>
  );
}
