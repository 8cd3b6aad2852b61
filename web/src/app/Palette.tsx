import { type KeyboardEvent, useId, useMemo, useState } from "react";
import { useLocation } from "wouter";
import { cx } from "@/components/classes";
import { Dialog } from "@/components/Dialog";
import { PRESETS } from "@/lib/period";
import { DIMENSION_NAMES, type Dimension } from "@/lib/view";
import type { Hotkey } from "./hotkeys";
import { PAGES } from "./pages";

interface Props {
  readonly open: boolean;
  readonly onClose: () => void;
  readonly hotkeys: readonly Hotkey[];
  /** The search that goes along from page to page. */
  readonly kept: string;
}

interface Entry {
  readonly name: string;
  readonly about: string;
  readonly run: () => void;
}

const LOOKED_UP: readonly Dimension[] = ["conversation", "user", "model", "tenant"];

/** Search: pages, periods, what the keys do, and the costs of whatever is typed. */
export function Palette({ open, onClose, hotkeys, kept }: Props) {
  return (
    <Dialog title="Search" place="top" hideTitle open={open} onClose={onClose}>
      <Search onClose={onClose} hotkeys={hotkeys} kept={kept} />
    </Dialog>
  );
}

function Search({ onClose, hotkeys, kept }: Omit<Props, "open">) {
  const [, navigate] = useLocation();
  const [text, setText] = useState("");
  const [chosen, setChosen] = useState(0);
  const list = useId();
  const entries = useMemo(() => entriesFor(text.trim(), hotkeys, kept, navigate), [text, hotkeys, kept, navigate]);
  const at = Math.min(chosen, entries.length - 1);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    entry.run();
  };
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) setChosen((at + step + entries.length) % Math.max(1, entries.length));
    else if (event.key === "Enter") run(entries[at]);
    else return;
    event.preventDefault();
  };
  return (
    <>
      <input
        role="combobox"
        aria-label="Search"
        aria-expanded
        aria-controls={list}
        aria-activedescendant={entries[at] ? `${list}-${at}` : undefined}
        placeholder="A page, a period, or the name of a conversation, user, model, tenant"
        // It is what the dialog is for.
        // oxlint-disable-next-line jsx-a11y/no-autofocus
        autoFocus
        autoComplete="off"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
        }}
        onKeyDown={move}
        className="w-full border-b bg-transparent px-4 py-3 outline-none placeholder:text-soft"
      />
      <div id={list} role="listbox" aria-label="What was found" className="max-h-[50vh] overflow-y-auto p-1.5">
        {entries.map((entry, index) => (
          <div
            key={entry.name}
            id={`${list}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            onClick={() => run(entry)}
            onKeyDown={move}
            className={cx("cursor-pointer rounded-md px-2.5 py-1.5 hover:bg-raised", index === at && "bg-raised")}
          >
            <div className="truncate text-[13px] font-medium">{entry.name}</div>
            <div className="truncate text-xs text-soft">{entry.about}</div>
          </div>
        ))}
      </div>
    </>
  );
}

function entriesFor(text: string, hotkeys: readonly Hotkey[], kept: string, navigate: (to: string) => void): readonly Entry[] {
  const going = (path: string, changes: Readonly<Record<string, string | null>>) => {
    const search = new URLSearchParams(kept);
    for (const [name, value] of Object.entries(changes)) {
      if (value === null) search.delete(name);
      else search.set(name, value);
    }
    return () => navigate(`${path}?${search}`);
  };
  const known: readonly Entry[] = [
    ...PAGES.map((page) => ({ name: page.name, about: page.about, run: () => navigate(page.path + kept) })),
    ...PRESETS.map((preset) => ({
      name: preset.name,
      about: "Period of this page",
      run: going(window.location.pathname, { last: preset.last, from: null, to: null }),
    })),
    ...hotkeys
      .filter(({ keys }) => !keys.startsWith("g ") && keys !== "/")
      .map(({ keys, does, run }) => ({ name: does, about: `Key ${keys}`, run })),
  ];
  if (text === "") return known;
  const found = known.filter((entry) => `${entry.name} ${entry.about}`.toLowerCase().includes(text.toLowerCase()));
  const looked = LOOKED_UP.map((dimension) => ({
    name: `${DIMENSION_NAMES[dimension]} “${text}”`,
    about: "What it costs, call by call",
    run: going("/costs", { [dimension]: text, open: dimension === "conversation" ? text : null }),
  }));
  return [...found, ...looked];
}
