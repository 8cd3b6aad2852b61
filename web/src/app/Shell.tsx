import { CircleHelp, KeyRound, Menu, Moon, Search, Sun } from "lucide-react";
import { type ReactNode, useMemo, useState } from "react";
import { Link, useLocation, useRoute } from "wouter";
import { forgetKey, useKey } from "@/api/key";
import { Button } from "@/components/Button";
import { cx } from "@/components/classes";
import { Dialog } from "@/components/Dialog";
import { useKeptSearch } from "@/lib/view";
import { Help } from "./Help";
import { type Hotkey, press, useHotkeys } from "./hotkeys";
import { Palette } from "./Palette";
import { PAGES, type PageEntry } from "./pages";
import { toggleTheme, useTheme } from "./theme";

type Opened = "palette" | "help" | "menu" | null;

/** What stands around every page: where one can go, search, theme, help. */
export function Shell({ children }: { readonly children: ReactNode }) {
  const [opened, setOpened] = useState<Opened>(null);
  const [, navigate] = useLocation();
  const kept = useKeptSearch();
  const hotkeys = useMemo<readonly Hotkey[]>(
    () => [
      ...PAGES.map((page) => ({ keys: `g ${page.hotkey}`, does: `Go to ${page.name}`, run: () => navigate(page.path + kept) })),
      { keys: "/", held: "k", does: "Search: pages, models, tenants, users, conversations, ids", run: () => setOpened("palette") },
      { keys: "p", does: "Choose the period", run: () => press("period") },
      { keys: "f", does: "Add a filter", run: () => press("filter") },
      { keys: "r", does: "Refresh by itself, or stand still", run: () => press("refresh") },
      { keys: "t", does: "Dark or light", run: toggleTheme },
      { keys: "?", does: "All keys", run: () => setOpened("help") },
    ],
    [kept, navigate],
  );
  useHotkeys(hotkeys);
  const close = () => setOpened(null);
  return (
    <div className="min-h-dvh md:grid md:grid-cols-[13rem_minmax(0,1fr)]">
      <a href="#main" className="sr-only z-50 rounded-md bg-accent px-3 py-2 text-accent-ink focus:not-sr-only focus:fixed focus:top-2 focus:left-2">
        Skip to the figures
      </a>
      <header className="sticky top-0 hidden h-dvh flex-col border-r bg-surface p-3 md:flex">
        <Brand />
        <SearchButton onClick={() => setOpened("palette")} />
        <Navigation kept={kept} />
        <Tools onHelp={() => setOpened("help")} />
      </header>
      <header className="sticky top-0 z-30 flex h-12 items-center gap-2 border-b bg-surface px-3 md:hidden">
        <Button look="quiet" icon={<Menu aria-hidden />} aria-label="Menu" onClick={() => setOpened("menu")} />
        <Brand />
        <Button look="quiet" className="ml-auto" icon={<Search aria-hidden />} aria-label="Search" onClick={() => setOpened("palette")} />
      </header>
      <main id="main" tabIndex={-1} className="min-w-0 outline-none">
        {children}
      </main>
      <Dialog title="Menu" place="side" open={opened === "menu"} onClose={close}>
        <div className="flex h-full flex-col p-3">
          <Navigation kept={kept} onGo={close} />
          <Tools onHelp={() => setOpened("help")} />
        </div>
      </Dialog>
      <Palette open={opened === "palette"} onClose={close} hotkeys={hotkeys} kept={kept} />
      <Help open={opened === "help"} onClose={close} hotkeys={hotkeys} />
    </div>
  );
}

function Brand() {
  return (
    <span className="flex items-center gap-2 px-2 py-1 text-[13px] font-semibold tracking-tight">
      <img src="/icon.svg" alt="" width={18} height={18} />
      LLM Observatory
    </span>
  );
}

function SearchButton({ onClick }: { readonly onClick: () => void }) {
  return (
    <button
      type="button"
      onClick={onClick}
      className="mt-3 flex h-8 items-center gap-2 rounded-md border bg-page px-2 text-[13px] text-soft hover:text-ink"
    >
      <Search aria-hidden className="size-3.5" />
      Search
      <kbd className="ml-auto rounded border px-1 font-mono text-[11px]">/</kbd>
    </button>
  );
}

function Navigation({ kept, onGo }: { readonly kept: string; readonly onGo?: () => void }) {
  return (
    <nav aria-label="Pages" className="mt-3 flex-1">
      <ul className="space-y-0.5">
        {PAGES.map((page) => (
          <li key={page.path}>
            <Place page={page} kept={kept} {...(onGo ? { onGo } : {})} />
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Place({ page, kept, onGo }: { readonly page: PageEntry; readonly kept: string; readonly onGo?: () => void }) {
  const [here] = useRoute(page.pattern ?? page.path);
  const { icon: Icon, Count } = page;
  return (
    <Link
      href={page.path + kept}
      aria-current={here ? "page" : undefined}
      onClick={onGo}
      className={cx(
        "flex items-center gap-2 rounded-md px-2 py-1.5 text-[13px] font-medium",
        here ? "bg-raised text-ink" : "text-soft hover:bg-raised hover:text-ink",
      )}
    >
      <Icon aria-hidden className="size-4 shrink-0" />
      {page.name}
      {Count ? <Count /> : null}
    </Link>
  );
}

function Tools({ onHelp }: { readonly onHelp: () => void }) {
  const theme = useTheme();
  const { key } = useKey();
  return (
    <div className="flex gap-1">
      <Button
        look="quiet"
        icon={theme === "dark" ? <Sun aria-hidden /> : <Moon aria-hidden />}
        aria-label={theme === "dark" ? "Light theme" : "Dark theme"}
        onClick={toggleTheme}
      />
      <Button look="quiet" icon={<CircleHelp aria-hidden />} aria-label="Keys" onClick={onHelp} />
      {key === null ? null : <Button look="quiet" icon={<KeyRound aria-hidden />} aria-label="Forget the API key" onClick={forgetKey} />}
    </div>
  );
}
