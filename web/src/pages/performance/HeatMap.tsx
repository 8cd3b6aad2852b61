import { type KeyboardEvent, type PointerEvent, useEffect, useId, useMemo, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { DistributionRow } from "@/api/schema";
import { useTheme } from "@/app/theme";
import { clock, count, duration } from "@/lib/format";
import { useLinkTo } from "@/lib/view";
import { type Cell, type Grid, gridOf } from "./cells";

interface Props {
  readonly label: string;
  readonly rows: readonly DistributionRow[];
  /** Of time, in seconds since 1970. */
  readonly range: readonly [number, number];
  /** Seconds of a column. */
  readonly step: number;
}

const LEFT = 62;
const BOTTOM = 22;
const TOP = 6;
const RIGHT = 12;
const HEIGHT = 260;
const STEPS: Readonly<Record<string, readonly [number, number]>> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

/** Calls by when they began and how long they took, the more the darker; a cell leads to the slowest calls of its step. */
export function HeatMap({ label, rows, range, step }: Props) {
  const grid = useMemo(() => gridOf(rows, range, step), [rows, range, step]);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [chosen, setChosen] = useState<Cell | null>(null);
  const [, navigate] = useLocation();
  const theme = useTheme();
  const to = useLinkTo();
  const id = useId();

  useEffect(() => {
    const element = canvas.current?.parentElement;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (canvas.current && width > 0) draw(canvas.current, width, grid, range, chosen);
    // The theme is read from the document while drawing.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [grid, width, range, chosen, theme]);

  const open = (cell: Cell | null) => {
    if (!cell) return;
    const [from, until] = [cell.at, cell.at + step].map((each) => new Date(each * 1000).toISOString()) as [string, string];
    navigate(to("/calls", { order: "latency", last: null, from, to: until }));
  };
  const under = (event: PointerEvent) => {
    const box = event.currentTarget.getBoundingClientRect();
    const column = Math.floor(((event.clientX - box.left - LEFT) / (width - LEFT - RIGHT)) * grid.columns);
    const height = HEIGHT - TOP - BOTTOM;
    const row = Math.floor((1 - (event.clientY - box.top - TOP) / height) * (grid.bounds.length - 1));
    return grid.cells.find((cell) => cell.column === column && cell.row === row) ?? null;
  };
  const keys = (event: KeyboardEvent) => {
    const way = STEPS[event.key];
    if (way) setChosen(nearest(grid.cells, chosen, way));
    else if (event.key === "Enter") open(chosen);
    else return;
    event.preventDefault();
  };
  return (
    <figure aria-labelledby={id} className="min-w-0">
      <figcaption className="flex min-h-8 flex-wrap items-center gap-x-4 px-4 pt-2 text-xs text-soft">
        <span id={id} className="sr-only">
          {label}
        </span>
        <Scale most={grid.most} />
        <span aria-live="polite" data-testid="cell" className="ml-auto text-ink">
          {chosen ? said(chosen, step) : null}
        </span>
      </figcaption>
      <div className="px-2 pb-2">
        {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions */}
        <div
          role="application"
          aria-label={`${label}: arrow keys go from cell to cell, Enter shows the slowest calls of its step`}
          // Arrow keys go from cell to cell: what is there is said beside it.
          // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
          tabIndex={0}
          onKeyDown={keys}
          onPointerMove={(event) => setChosen(under(event))}
          onPointerLeave={() => setChosen(null)}
          onClick={() => open(chosen)}
          className={chosen ? "cursor-pointer" : ""}
        >
          <canvas ref={canvas} aria-hidden className="block w-full" style={{ height: HEIGHT }} />
        </div>
      </div>
    </figure>
  );
}

function Scale({ most }: { readonly most: number }) {
  return (
    <span className="flex items-center gap-1.5">
      1
      <span aria-hidden className="flex overflow-hidden rounded-xs">
        {[0.16, 0.35, 0.55, 0.78, 1].map((strength) => (
          <span key={strength} className="h-2.5 w-4 bg-(--s1)" style={{ opacity: strength }} />
        ))}
      </span>
      {count(most)} {most === 1 ? "call" : "calls"}
    </span>
  );
}

function said(cell: Cell, step: number): string {
  const until = clock((cell.at + step) * 1000);
  const long = cell.above > 0 ? `${duration(cell.above)} to ${duration(cell.upTo)}` : "no time";
  return `${clock(cell.at * 1000)} – ${until}: ${count(cell.calls)} ${cell.calls === 1 ? "call" : "calls"} took ${long}`;
}

/** The next cell with calls that way; from nowhere the longest of the last step. */
function nearest(cells: readonly Cell[], from: Cell | null, [right, up]: readonly [number, number]): Cell | null {
  if (!from) return cells.at(-1) ?? null;
  const far = (cell: Cell) => Math.abs(cell.column - from.column) * (right === 0 ? 1000 : 1) + Math.abs(cell.row - from.row) * (up === 0 ? 1000 : 1);
  const ahead = cells.filter((cell) => (right === 0 ? cell.column === from.column && (cell.row - from.row) * up > 0 : (cell.column - from.column) * right > 0));
  // Along time the next step counts first, and in it the cell that lies nearest in height.
  const near = right === 0 ? far : (cell: Cell) => Math.abs(cell.column - from.column) * 1000 + Math.abs(cell.row - from.row);
  return ahead.reduce<Cell | null>((best, cell) => (best === null || near(cell) < near(best) ? cell : best), null) ?? from;
}

function draw(canvas: HTMLCanvasElement, width: number, grid: Grid, [from, to]: readonly [number, number], chosen: Cell | null): void {
  const density = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * density);
  canvas.height = Math.round(HEIGHT * density);
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  pen.scale(density, density);
  const [across, down] = [(width - LEFT - RIGHT) / grid.columns, (HEIGHT - TOP - BOTTOM) / (grid.bounds.length - 1)];
  const top = (row: number) => TOP + (grid.bounds.length - 2 - row) * down;
  const gap = across > 4 ? 1 : 0;

  pen.font = `11px ${style.fontFamily}`;
  pen.fillStyle = color("--soft");
  pen.strokeStyle = color("--line");
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  const every = Math.max(1, Math.ceil(18 / (down * 4))) * 4;
  const whole = Math.log2(grid.bounds[0] ?? 1) * 4;
  for (const [index, bound] of grid.bounds.entries()) {
    if (Math.round(whole + index) % every !== 0) continue;
    const y = top(index - 1);
    pen.fillText(duration(bound), LEFT - 8, Math.min(HEIGHT - BOTTOM, Math.max(TOP + 4, y)));
    pen.beginPath();
    pen.moveTo(LEFT, Math.round(y) + 0.5);
    pen.lineTo(width - RIGHT, Math.round(y) + 0.5);
    pen.stroke();
  }

  pen.fillStyle = color("--s1");
  for (const cell of grid.cells) {
    pen.globalAlpha = 0.16 + 0.84 * Math.sqrt(grid.most === 1 ? 1 : (cell.calls - 1) / (grid.most - 1));
    pen.fillRect(LEFT + cell.column * across, top(cell.row) + gap / 2, Math.max(1.5, across - gap), Math.max(1.5, down - gap));
  }
  pen.globalAlpha = 1;
  if (chosen) {
    pen.strokeStyle = color("--ink");
    pen.lineWidth = 1.5;
    pen.strokeRect(LEFT + chosen.column * across, top(chosen.row), Math.max(3, across - gap), Math.max(3, down));
  }

  pen.fillStyle = color("--soft");
  pen.textBaseline = "alphabetic";
  const labels = Math.max(2, Math.floor((width - LEFT) / 110));
  for (let index = 0; index <= labels; index++) {
    const at = from + ((to - from) * index) / labels;
    pen.textAlign = index === 0 ? "left" : index === labels ? "right" : "center";
    pen.fillText(moment(at, to - from), LEFT + ((width - LEFT - RIGHT) * index) / labels, HEIGHT - 6);
  }
}

function moment(at: number, length: number): string {
  const when = new Date(at * 1000);
  return length > 2 * 86_400
    ? when.toLocaleDateString("en-US", { month: "short", day: "numeric" })
    : when.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
