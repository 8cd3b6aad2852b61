import type { TraceDetail } from "@/api/schema";
import { colorOf } from "@/components/colors";
import { duration } from "@/lib/format";

/** A colour for each service, in the order in which the trace tells them. */
export function colorsOf(trace: TraceDetail): ReadonlyMap<string, string> {
  const names = [...new Set([...trace.service_figures.map((each) => each.service), ...trace.spans.map((span) => span.service)])];
  return new Map(names.map((name, index) => [name, colorOf(index)]));
}

/** The services of a trace: how many spans, and what of the critical path is theirs. */
export function Services({ trace, colors }: { readonly trace: TraceDetail; readonly colors: ReadonlyMap<string, string> }) {
  return (
    <ul aria-label="Services" className="flex flex-wrap gap-x-5 gap-y-1 border-b px-4 py-2 text-xs">
      {trace.service_figures.map((each) => (
        <li key={each.service} className="flex items-center gap-1.5">
          <span aria-hidden className="size-2.5 rounded-xs" style={{ background: colors.get(each.service) }} />
          <span className="font-medium">{each.service}</span>
          <span className="text-soft">
            {each.spans} {each.spans === 1 ? "span" : "spans"}, {duration(each.critical_ms)} of the critical path
          </span>
        </li>
      ))}
    </ul>
  );
}
