/** Series over time, drawn by uPlot: lines, areas or stacked columns. The figures in its hint are those of the gateway. */

import { ChartLine, Table2 } from "lucide-react";
import { useEffect, useId, useRef, useState } from "react";
import uPlot, { type AlignedData, type Options, type Series } from "uplot";
import { useTheme } from "@/app/theme";
import { clock, exactTime } from "@/lib/format";
import { Button } from "./Button";
import { cx } from "./classes";
import { colorOf } from "./colors";

export interface ChartSeries {
  readonly name: string;
  /** A CSS colour, by default that of its place. */
  readonly color?: string;
  /** A thin broken line without an area: something to compare with. */
  readonly dashed?: boolean;
  /** Where the points lie; null: none. */
  readonly at: readonly (number | null)[];
  /** How the value at a point is written, with all that it is. */
  readonly write: (index: number) => string;
}

interface Props {
  /** What the chart shows, for those who do not see it. */
  readonly label: string;
  /** Ascending, in seconds since 1970. */
  readonly times: readonly number[];
  readonly series: readonly ChartSeries[];
  readonly kind?: "line" | "area" | "stack";
  readonly height?: number;
  /** How a value of the axis is written. */
  readonly axis: (value: number) => string;
  /** From and to of the axis of time, in seconds; by default as far as there are points. */
  readonly range?: readonly [number, number];
  /** Seconds of a step: the width of a stacked column. */
  readonly step?: number;
  /** Drawn with another chart's hint: the same key shows the same moment in all of them. */
  readonly syncKey?: string;
}

export function Chart({ kind = "line", height = 200, ...props }: Props) {
  const { label, times, series } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef<Props>(props);
  const theme = useTheme();
  const id = useId();
  const [hovered, setHovered] = useState<number | null>(null);
  const [asTable, setAsTable] = useState(false);
  const shape = `${kind} ${height} ${theme} ${props.step ?? ""} ${props.syncKey ?? ""} ${series.map((each) => `${each.name} ${each.color ?? ""}`).join("\n")}`;

  useEffect(() => {
    latest.current = props;
  });

  useEffect(() => {
    const element = holder.current;
    if (!element) return undefined;
    const current = latest.current;
    const made = new uPlot(
      options({ ...current, kind, height, width: element.clientWidth }, latest, setHovered),
      aligned(kind, current),
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
    // `shape` is all of what a plot cannot change once it is made.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(aligned(kind, latest.current));
  }, [kind, times, series, props.range]);

  const shown = hovered !== null && hovered < times.length ? hovered : null;
  return (
    <figure aria-labelledby={id} className="relative min-w-0">
      <figcaption id={id} className="sr-only">
        {label}
      </figcaption>
      <div className="flex items-start gap-2 pt-1.5 pr-2 pl-4">
        <ul className="flex min-w-0 flex-1 flex-wrap gap-x-4 gap-y-1 pt-1.5 text-xs text-soft">
          {series.map((each, index) => (
            <li key={each.name} className="flex min-w-0 items-center gap-1.5">
              <span aria-hidden className="size-2 shrink-0 rounded-xs" style={{ background: each.color ?? colorOf(index) }} />
              <span className="max-w-48 truncate">{each.name}</span>
              {shown === null ? null : <span className="font-medium text-ink">{each.write(shown)}</span>}
            </li>
          ))}
          <li className={cx("ml-auto", shown === null && "invisible")}>{clock((times[shown ?? 0] ?? 0) * 1000)}</li>
        </ul>
        <Button
          look="quiet"
          className="-mb-1 h-6 [&_svg]:size-3.5"
          icon={asTable ? <ChartLine aria-hidden /> : <Table2 aria-hidden />}
          aria-label={`${label}: as a table`}
          title={asTable ? "Show the chart" : "Show as a table"}
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        />
      </div>
      <div className="relative" style={{ height }}>
        <div ref={holder} aria-hidden className="absolute inset-0 overflow-hidden" />
        {asTable ? <Readings label={label} times={times} series={series} /> : null}
      </div>
    </figure>
  );
}

/** All that is drawn, in figures, in place of the drawing. */
function Readings({ label, times, series }: Pick<Props, "label" | "times" | "series">) {
  return (
    // A region that scrolls must be reached with the keyboard.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div role="region" aria-label={label} tabIndex={0} className="absolute inset-0 overflow-auto bg-surface">
      <table className="w-full text-xs">
        <caption className="sr-only">{label}</caption>
        <thead className="sticky top-0 bg-surface text-soft">
          <tr>
            <th scope="col" className="py-1 pl-4 text-left font-medium">
              From
            </th>
            {series.map((each) => (
              <th key={each.name} scope="col" className="px-3 py-1 text-right font-medium last:pr-4">
                {each.name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {times.map((at, index) => (
            <tr key={at} className="border-t">
              <th scope="row" className="py-1 pl-4 text-left font-normal whitespace-nowrap text-soft" title={exactTime(at * 1000)}>
                {clock(at * 1000)}
              </th>
              {series.map((each) => (
                <td key={each.name} className="px-3 py-1 text-right whitespace-nowrap last:pr-4">
                  {each.write(index)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

type Drawn = Props & { readonly kind: "line" | "area" | "stack"; readonly height: number; readonly width: number };

function options(drawn: Drawn, latest: { readonly current: Props }, hover: (index: number | null) => void): Options {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string) => style.getPropertyValue(name).trim();
  const font = `11px ${style.fontFamily}`;
  const grid = { stroke: color("--line"), width: 1 };
  const axis = { stroke: color("--soft"), font, grid, ticks: { show: false } };
  return {
    width: drawn.width,
    height: drawn.height,
    padding: [10, 18, 0, 0], // at the right half a label of the axis
    cursor: {
      points: { show: drawn.kind !== "stack", size: 6 },
      drag: { x: false, y: false },
      ...(drawn.syncKey === undefined ? {} : { sync: { key: drawn.syncKey } }),
    },
    scales: {
      x: { range: (_, least, most) => [...(latest.current.range ?? around(least, most, latest.current.step))] },
      y: { range: (_, __, most) => [0, most > 0 ? most * 1.08 : 1] },
    },
    axes: [
      { ...axis, size: 30, grid: { show: false }, values: (_, splits) => splits.map((at) => hour(at, drawn)), space: 70 },
      { ...axis, size: 58, values: (_, splits) => splits.map((value) => latest.current.axis(value)), space: 34 },
    ],
    series: [{}, ...drawn.series.map((each, index) => line(each, index, drawn, color))],
    hooks: { setCursor: [(self) => hover(self.cursor.idx ?? null)] },
  };
}

function line(each: ChartSeries, index: number, drawn: Drawn, color: (name: string) => string): Series {
  const named = each.color ?? colorOf(index);
  const stroke = named.startsWith("var(") ? color(named.slice(4, -1)) : named;
  const bars = drawn.kind === "stack" ? uPlot.paths.bars?.({ size: [0.82, 48], radius: 0 }) : undefined;
  return {
    stroke: drawn.kind === "stack" ? "transparent" : stroke,
    width: drawn.kind === "stack" ? 0 : 1.5,
    points: { show: true, size: 4, fill: stroke, filter: drawn.kind === "stack" ? () => [] : lonely },
    spanGaps: false,
    ...(each.dashed ? { dash: [4, 4], width: 1 } : {}),
    ...(drawn.kind === "line" || each.dashed ? {} : { fill: drawn.kind === "area" ? `${stroke}26` : stroke }),
    ...(bars ? { paths: bars } : {}),
  };
}

/** Points without a neighbour, of which no line can tell. */
function lonely(plot: uPlot, index: number): number[] {
  const values = plot.data[index] ?? [];
  const there = (at: number) => values[at] !== null && values[at] !== undefined;
  return [...values.keys()].filter((at) => there(at) && !there(at - 1) && !there(at + 1));
}

/** A stack is drawn from its top down: each column reaches from 0 to the sum of those up to it, the lower ones above. */
function aligned(kind: "line" | "area" | "stack", { times, series }: Props): AlignedData {
  const x = [...times];
  if (kind !== "stack") return [x, ...series.map((each) => [...each.at])];
  const sum = x.map(() => 0);
  const stacked = series
    .toReversed()
    .map((each) => x.map((_, index) => (sum[index] = (sum[index] ?? 0) + (each.at[index] ?? 0))));
  return [x, ...stacked.toReversed()];
}

function around(least: number, most: number, step = 0): readonly [number, number] {
  return least === most ? [least - (step || 30), most + (step || 30)] : [least - step / 2, most + step / 2];
}

function hour(at: number, { times }: Drawn): string {
  const moment = new Date(at * 1000);
  const long = (times.at(-1) ?? 0) - (times[0] ?? 0) > 2 * 86_400;
  return long
    ? moment.toLocaleDateString("en-US", { month: "short", day: "numeric" })
    : moment.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
