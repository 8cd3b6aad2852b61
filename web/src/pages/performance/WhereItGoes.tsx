import type { PartFigures } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Count, Duration, Percent } from "@/components/Figure";
import { Empty, Loaded, SkeletonRows } from "@/components/states";
import { Table } from "@/components/Table";
import { TIME_PARTS, TimeSplit } from "@/components/TimeSplit";
import { asQuery } from "@/lib/period";
import { useView } from "@/lib/view";

/** The parts of the time of all calls, each with its percentiles. */
export function WhereItGoes() {
  const { period, filters } = useView();
  const parts = useAnswer("/api/v1/analytics/latency/parts", { query: { ...asQuery(period), ...filters } });
  return (
    <Card title="Where the time goes" hint="of all calls together">
      <Loaded
        asked={parts}
        skeleton={<SkeletonRows rows={6} />}
        isEmpty={(data) => data.rows.length === 0}
        empty={<Empty title="No call of this period tells how long it took" />}
      >
        {({ rows: [all] }) =>
          all === undefined ? null : (
            <>
              <div className="px-4 pt-4 pb-2">
                <TimeSplit
                  label="Parts of the time of all calls"
                  unit="share"
                  className="h-5"
                  parts={Object.fromEntries(TIME_PARTS.map(([id]) => [id, all[id].share]))}
                />
              </div>
              <Table
                caption="Parts of the time"
                rows={TIME_PARTS.map(([id, name, about, color]) => ({ id, name, about, color, figures: all[id] as PartFigures })).filter((row) => row.figures.calls > 0)}
                rowKey={(row) => row.id}
                columns={[
                  {
                    id: "part",
                    head: "Part",
                    cell: (row) => (
                      <span className="flex items-baseline gap-2">
                        <span aria-hidden className="size-2 shrink-0 rounded-xs" style={{ background: row.color }} />
                        <span className="min-w-0">
                          <span className="font-medium">{row.name}</span>
                          <span className="block truncate text-xs text-soft max-md:hidden" title={row.about}>
                            {row.about}
                          </span>
                        </span>
                      </span>
                    ),
                  },
                  { id: "share", head: "Share", numeric: true, cell: (row) => <Percent rate={row.figures.share} /> },
                  { id: "p50", head: "p50", numeric: true, wide: true, cell: (row) => <Duration ms={row.figures.p50_ms} /> },
                  { id: "p95", head: "p95", numeric: true, cell: (row) => <Duration ms={row.figures.p95_ms} className="font-medium" /> },
                  { id: "p99", head: "p99", numeric: true, cell: (row) => <Duration ms={row.figures.p99_ms} /> },
                  { id: "calls", head: "Calls", numeric: true, wide: true, cell: (row) => <Count value={row.figures.calls} /> },
                ]}
              />
            </>
          )
        }
      </Loaded>
    </Card>
  );
}
