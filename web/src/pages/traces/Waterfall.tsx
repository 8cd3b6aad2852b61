import { ChevronDown, ChevronRight, CircleAlert } from "lucide-react";
import { type KeyboardEvent, useRef, useState } from "react";
import { cx } from "@/components/classes";
import { duration } from "@/lib/format";
import { type Node, seen } from "./tree";

interface Props {
  readonly nodes: readonly Node[];
  /** How long the trace took, in ms. */
  readonly whole: number;
  readonly colors: ReadonlyMap<string, string>;
  readonly chosen: string | null;
  readonly onChoose: (spanId: string) => void;
}

/** Spans below their parents, each a bar where it lies in the time of the trace. Arrow keys go through it. */
export function Waterfall({ nodes, whole, colors, chosen, onChoose }: Props) {
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const tree = useRef<HTMLDivElement>(null);
  const rows = seen(nodes, closed);
  const at = Math.max(0, rows.findIndex((node) => node.span.span_id === chosen));
  const fold = (id: string, close: boolean) => setClosed((old) => new Set(close ? [...old, id] : [...old].filter((each) => each !== id)));
  const go = (index: number) => {
    const next = rows[Math.max(0, Math.min(index, rows.length - 1))];
    if (!next) return;
    onChoose(next.span.span_id);
    tree.current?.querySelector<HTMLElement>(`[data-span="${next.span.span_id}"]`)?.focus();
  };
  const keys = (event: KeyboardEvent) => {
    const here = rows[at];
    if (!here) return;
    const { span_id: id } = here.span;
    const open = here.children.length > 0 && !closed.has(id);
    if (event.key === "ArrowDown") go(at + 1);
    else if (event.key === "ArrowUp") go(at - 1);
    else if (event.key === "Home") go(0);
    else if (event.key === "End") go(rows.length - 1);
    else if (event.key === "ArrowRight") {
      if (open) go(at + 1);
      else fold(id, false);
    } else if (event.key === "ArrowLeft") {
      if (open) fold(id, true);
      else go(rows.findLastIndex((node, index) => index < at && node.depth < here.depth));
    } else return;
    event.preventDefault();
  };
  return (
    <div>
      <Ruler whole={whole} />
      <div ref={tree} role="tree" aria-label="Spans" className="pb-2">
        {rows.map((node, index) => (
          <div
            key={node.span.span_id}
            data-span={node.span.span_id}
            role="treeitem"
            tabIndex={index === at ? 0 : -1}
            aria-level={node.depth + 1}
            aria-selected={node.span.span_id === chosen}
            aria-expanded={node.children.length > 0 ? !closed.has(node.span.span_id) : undefined}
            onClick={() => onChoose(node.span.span_id)}
            onKeyDown={keys}
            className={cx(
              "grid cursor-pointer grid-cols-[minmax(0,1fr)_minmax(0,1fr)_4rem] md:grid-cols-[minmax(0,2fr)_minmax(0,3fr)_4.5rem] items-center gap-2 px-4 text-[13px] -outline-offset-2 [content-visibility:auto]",
              node.span.span_id === chosen ? "bg-accent-wash" : "hover:bg-raised/60",
            )}
          >
            <Name node={node} closed={closed.has(node.span.span_id)} onFold={(close) => fold(node.span.span_id, close)} />
            <Line node={node} whole={whole} color={colors.get(node.span.service) ?? "var(--s8)"} />
            <span className="text-right whitespace-nowrap" title={`${node.ms} ms, begins after ${node.offset} ms`}>
              {duration(node.ms)}
            </span>
          </div>
        ))}
      </div>
    </div>
  );
}

function Name({ node, closed, onFold }: { readonly node: Node; readonly closed: boolean; readonly onFold: (close: boolean) => void }) {
  const Arrow = closed ? ChevronRight : ChevronDown;
  return (
    <span className="flex min-w-0 items-center gap-1 py-1" style={{ paddingLeft: `${Math.min(node.depth, 24) * 0.9}rem` }}>
      {node.children.length > 0 ? (
        // With the keyboard the arrow keys of the row do the same.
        // oxlint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-static-element-interactions
        <span
          aria-hidden
          className="flex size-5 shrink-0 items-center justify-center rounded text-soft hover:bg-raised"
          onClick={(event) => {
            event.stopPropagation();
            onFold(!closed);
          }}
        >
          <Arrow className="size-3.5" />
        </span>
      ) : (
        <span aria-hidden className="size-5 shrink-0" />
      )}
      {node.span.status === "error" ? <CircleAlert aria-label="failed" className="size-3.5 shrink-0 text-bad" /> : null}
      <span className={cx("truncate", node.criticalMs !== null && "font-medium")} title={`${node.span.name} (${node.span.service})`}>
        {node.span.name}
      </span>
      {node.criticalMs === null ? null : <span className="sr-only">on the critical path for {duration(node.criticalMs)}</span>}
    </span>
  );
}

function Line({ node, whole, color }: { readonly node: Node; readonly whole: number; readonly color: string }) {
  const part = (value: number) => `${whole > 0 ? Math.min(100, Math.max(0, (value / whole) * 100)) : 0}%`;
  return (
    <span aria-hidden className="relative block h-full min-h-7 bg-[linear-gradient(to_right,var(--line)_1px,transparent_1px)] bg-size-[25%_100%]">
      <span
        className="absolute top-1/2 h-3 min-w-0.5 -translate-y-1/2 rounded-xs"
        style={{
          left: `min(${part(node.offset)}, calc(100% - 2px))`,
          width: whole > 0 ? part(node.ms) : "100%",
          background: color,
          opacity: node.criticalMs === null ? 0.38 : 1,
        }}
      />
    </span>
  );
}

function Ruler({ whole }: { readonly whole: number }) {
  return (
    <div aria-hidden className="grid grid-cols-[minmax(0,1fr)_minmax(0,1fr)_4rem] md:grid-cols-[minmax(0,2fr)_minmax(0,3fr)_4.5rem] gap-2 border-b px-4 py-1.5 text-[11px] text-soft">
      <span>Span</span>
      <span className="relative block h-4">
        {[0, 0.5, 0.25, 0.75].map((share, index) => (
          <span key={share} className={cx("absolute pl-1", index > 1 && "max-md:hidden")} style={{ left: `${share * 100}%` }}>
            {duration(whole * share)}
          </span>
        ))}
      </span>
      <span className="text-right">Took</span>
    </div>
  );
}
