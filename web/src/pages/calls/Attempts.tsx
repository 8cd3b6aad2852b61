import { Link } from "wouter";
import type { CallView } from "@/api/schema";
import { Badge } from "@/components/Badge";
import { Count, Duration } from "@/components/Figure";
import { Table } from "@/components/Table";
import { TimeSplit } from "@/components/TimeSplit";
import { toneOf } from "@/components/tones";
import { plain } from "@/lib/decimal";
import { useLinkTo } from "@/lib/view";
import { partsOf } from "./parts";

interface Props {
  readonly caption: string;
  /** Of one request, by attempt. */
  readonly calls: readonly CallView[];
  readonly current?: string;
}

/** The attempts of a request, each with what it cost to the last digit. */
export function Attempts({ caption, calls, current }: Props) {
  const to = useLinkTo();
  return (
    <Table
      caption={caption}
      rows={calls}
      rowKey={(row) => row.call_id}
      isCurrent={(row) => row.call_id === current}
      columns={[
        {
          id: "attempt",
          head: "Attempt",
          cell: (row) =>
            row.call_id === current ? (
              <span className="font-medium">{row.attempt}, this one</span>
            ) : (
              <Link href={to(`/calls/${row.call_id}`)} className="font-medium text-accent hover:underline" aria-label={`Attempt ${row.attempt}`}>
                {row.attempt}
              </Link>
            ),
        },
        { id: "model", head: "Model", cell: (row) => row.model },
        { id: "provider", head: "Provider", wide: true, cell: (row) => row.provider },
        { id: "status", head: "Status", cell: (row) => <Badge tone={toneOf(row.status)}>{row.error_type ?? row.status}</Badge> },
        { id: "read", head: "Read", numeric: true, wide: true, cell: (row) => <Count value={row.tokens.uncached_input_tokens} /> },
        { id: "cached", head: "From the cache", numeric: true, wide: true, cell: (row) => <Count value={row.tokens.cache_read_tokens} /> },
        { id: "written", head: "Written", numeric: true, wide: true, cell: (row) => <Count value={row.tokens.output_tokens} /> },
        { id: "split", head: "Where its time went", wide: true, cell: (row) => <TimeSplit label={`Time of attempt ${row.attempt}`} unit="ms" parts={partsOf(row)} /> },
        { id: "took", head: "Took", numeric: true, cell: (row) => <Duration ms={row.total_ms} /> },
        {
          id: "cost",
          head: "Cost",
          numeric: true,
          cell: (row) =>
            row.cost_usd === null ? (
              <span className="text-soft">no price</span>
            ) : (
              <data value={row.cost_usd} className="font-medium">
                ${plain(row.cost_usd)}
              </data>
            ),
        },
      ]}
    />
  );
}
