import { type KeyboardEvent, useId, useMemo, useState } from "react";
import { useLocation } from "wouter";
import { cx } from "@/components/classes";
import { Dialog } from "@/components/Dialog";
import type { SearchHit } from "@/api/schema";
import { Message } from "@/components/Message";
import { PRESETS, today } from "@/lib/period";
import { DIMENSIONS } from "@/lib/view";
import { aboutHit, placeOf, useFound } from "./found";
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

/** Search: pages, periods, what the keys do; and what has the name or the id that is typed, or begins with it. */
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
  const wanted = text.trim();
  const { hits, problem } = useFound(wanted);
  const entries = useMemo(
    () => [...known(wanted, hotkeys, kept, navigate), ...(hits ?? []).map((hit) => entryOf(hit, kept, navigate))],
    [wanted, hits, hotkeys, kept, navigate],
  );
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
        placeholder="A page; a model, tenant, user, conversation; an id, or how it begins"
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
            key={`${entry.about} ${entry.name}`}
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
      <p role="status" className="px-4 pb-3 text-xs text-soft empty:hidden">
        {wanted === "" ? null : problem === null ? told(hits, entries.length) : <Message text={problem} />}
      </p>
    </>
  );
}

function told(hits: readonly SearchHit[] | null, entries: number): string | null {
  if (hits === null) return "Looking …";
  return entries === 0 ? "Nothing has this name or id, or begins with it." : null;
}

type Go = (to: string) => void;
type Changes = Readonly<Record<string, string | null>>;

/** What is known without asking: pages, periods, keys. */
function known(text: string, hotkeys: readonly Hotkey[], kept: string, navigate: Go): readonly Entry[] {
  const during = (name: string, changes: Changes): Entry => ({
    name,
    about: "Period of this page",
    run: () => navigate(withSearch(window.location.pathname, kept, changes)),
  });
  const all: readonly Entry[] = [
    ...PAGES.map((page) => ({ name: page.name, about: page.about, run: () => navigate(page.path + kept) })),
    ...PRESETS.map(({ name, last }) => during(name, { last, from: null, to: null })),
    during("Today", { ...today() }),
    ...hotkeys
      .filter(({ keys }) => !keys.startsWith("g ") && keys !== "/")
      .map(({ keys, does, run }) => ({ name: does, about: `Key ${keys}`, run })),
  ];
  const wanted = text.toLowerCase();
  return wanted === "" ? all : all.filter((entry) => `${entry.name} ${entry.about}`.toLowerCase().includes(wanted));
}

/** Something that was found; the filters of the view stay behind, since it may be none of theirs. */
function entryOf(hit: SearchHit, kept: string, navigate: Go): Entry {
  const none = Object.fromEntries(DIMENSIONS.map((name) => [name, null]));
  return {
    name: hit.id,
    about: aboutHit(hit),
    run: () => {
      const place = placeOf(hit);
      if (place) navigate(withSearch(place[0], kept, { ...none, ...place[1] }));
    },
  };
}

function withSearch(path: string, kept: string, changes: Changes): string {
  const search = new URLSearchParams(kept);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) search.delete(name);
    else search.set(name, value);
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}
