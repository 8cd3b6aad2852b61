import type { SpanView, TraceDetail } from "@/api/schema";

export interface Node {
  readonly span: SpanView;
  readonly depth: number;
  /** From the begin of the trace, in ms. */
  readonly offset: number;
  readonly ms: number;
  /** Whether it is on the critical path, and for how long the trace waited for it alone. */
  readonly criticalMs: number | null;
  readonly children: readonly Node[];
}

/** The spans of a trace under their parents, earliest first; those whose parent is not there stand at the top. */
export function treeOf(trace: TraceDetail): readonly Node[] {
  const known = new Set(trace.spans.map((span) => span.span_id));
  const critical = new Map(trace.critical_path.map((step) => [step.span_id, step.self_ms]));
  const below = new Map<string | null, SpanView[]>();
  for (const span of trace.spans) {
    const parent = span.parent_span_id && span.parent_span_id !== span.span_id && known.has(span.parent_span_id) ? span.parent_span_id : null;
    const siblings = below.get(parent);
    if (siblings) siblings.push(span);
    else below.set(parent, [span]);
  }
  const begin = trace.spans.reduce<bigint | null>((least, span) => {
    const start = BigInt(span.start_unix_nano);
    return least === null || start < least ? start : least;
  }, null) ?? 0n;
  const placed = new Set<string>();
  const grow = (span: SpanView, depth: number): Node => {
    placed.add(span.span_id);
    const children = (below.get(span.span_id) ?? []).filter((child) => !placed.has(child.span_id));
    return {
      span,
      depth,
      offset: ms(BigInt(span.start_unix_nano) - begin),
      ms: ms(BigInt(span.end_unix_nano) - BigInt(span.start_unix_nano)),
      criticalMs: critical.get(span.span_id) ?? null,
      children: children.map((child) => grow(child, depth + 1)),
    };
  };
  const roots = (below.get(null) ?? []).map((span) => grow(span, 0));
  // Spans that are each other's parents hang below nothing: they are shown all the same.
  const circles = trace.spans.filter((span) => !placed.has(span.span_id)).flatMap((span) => (placed.has(span.span_id) ? [] : [grow(span, 0)]));
  return [...roots, ...circles];
}

/** The nodes that are seen, from the top down. */
export function seen(nodes: readonly Node[], closed: ReadonlySet<string>): readonly Node[] {
  return nodes.flatMap((node) => [node, ...(closed.has(node.span.span_id) ? [] : seen(node.children, closed))]);
}

function ms(nanoseconds: bigint): number {
  return Number(nanoseconds) / 1e6;
}
