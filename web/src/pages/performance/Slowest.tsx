import { ArrowRight } from "lucide-react";
import { Link } from "wouter";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { Duration } from "@/components/Figure";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { TimeSplit } from "@/components/TimeSplit";
import { toneOf } from "@/components/tones";
import { clock, exactTime } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { useLinkTo, useView } from "@/lib/view";
import { partsOf } from "../calls/parts";

const SHOWN = 7;

/** The calls that took longest, each with where its time went. */
export function Slowest() {
  const { period, filters } = useView();
  const to = useLinkTo();
  const calls = useAnswer("/api/v1/calls", { query: { ...asQuery(period), ...filters, order: "latency", limit: SHOWN } });
  return (
    <Card
      title="Slowest calls"
      hint="took: sent to the last byte; the bars have the waiting too"
      aside={
        <Link href={to("/calls", { order: "latency" })} className="inline-flex items-center gap-1 text-[13px] font-medium text-accent hover:underline">
          All of them
          <ArrowRight aria-hidden className="size-4" />
        </Link>
      }
    >
      <Loaded asked={calls} isEmpty={(data) => data.rows.length === 0} empty={<Empty title="No calls in this period" />}>
        {({ rows }) => (
          <Table
            caption="Slowest calls"
            rows={rows}
            rowKey={(row) => row.call_id}
            columns={[
              {
                id: "took",
                head: "Took",
                cell: (row) => (
                  <Link href={to(`/calls/${row.call_id}`)} className="font-medium whitespace-nowrap text-accent hover:underline">
                    <Duration ms={row.total_ms} />
                  </Link>
                ),
              },
              { id: "split", head: "Where it went", cell: (row) => <TimeSplit label="Its time" unit="ms" parts={partsOf(row)} /> },
              { id: "model", head: "Model", cell: (row) => row.model },
              { id: "status", head: "Status", wide: true, cell: (row) => <Badge tone={toneOf(row.status)}>{row.error_type ?? row.status}</Badge> },
              { id: "at", head: "Began", numeric: true, wide: true, cell: (row) => <time dateTime={row.started_at} title={exactTime(row.started_at)}>{clock(row.started_at)}</time> },
            ]}
          />
        )}
      </Loaded>
    </Card>
  );
}
