import type { DistributionRow } from "@/api/schema";

export interface Cell {
  readonly column: number;
  readonly row: number;
  /** When its step begins, in seconds since 1970. */
  readonly at: number;
  readonly above: number;
  readonly upTo: number;
  readonly calls: number;
}

export interface Grid {
  readonly columns: number;
  /** Lower bounds from the shortest band to the longest, and the upper bound of the last one, in ms. */
  readonly bounds: readonly number[];
  readonly cells: readonly Cell[];
  readonly most: number;
}

const PER_DOUBLING = 4;

/** Where the bands of an answer lie on a grid of steps and of all bands between the shortest and the longest. */
export function gridOf(rows: readonly DistributionRow[], [from, to]: readonly [number, number], step: number): Grid {
  const bands = rows.flatMap((row) => row.bands);
  // What took no time at all lies in a band of its own, far below all others: it is drawn as the lowest one.
  const real = bands.filter((band) => band.above_ms > 0);
  const first = place(Math.min(...real.map((band) => band.up_to_ms)));
  const last = place(Math.max(...real.map((band) => band.up_to_ms)));
  const least = real.length === 0 ? 0 : first - 1;
  const begin = Math.floor(from / step) * step;
  const cells = rows.flatMap((row) => {
    const at = Date.parse(row.at ?? "") / 1000;
    return row.bands.map((band) => ({
      column: Math.round((at - begin) / step),
      row: band.above_ms > 0 ? place(band.up_to_ms) - 1 - least : 0,
      at,
      above: band.above_ms,
      upTo: band.up_to_ms,
      calls: band.calls,
    }));
  });
  const rowsThere = real.length === 0 ? 1 : last - least;
  return {
    columns: Math.max(1, Math.ceil((to - begin) / step)),
    bounds: Array.from({ length: rowsThere + 1 }, (_, index) => 2 ** ((least + index) / PER_DOUBLING)),
    cells,
    most: Math.max(1, ...cells.map((cell) => cell.calls)),
  };
}

/** The upper bounds of bands, counted up from 1 ms. */
function place(upTo: number): number {
  return Math.round(Math.log2(upTo) * PER_DOUBLING);
}
