import { Link } from "wouter";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Count, Duration, Money } from "@/components/Figure";
import { ListPage } from "@/components/ListPage";
import { Select } from "@/components/Select";
import { Empty } from "@/components/states";
import { useOnly } from "@/components/Unheeded";
import { clock, exactTime } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { useLinkTo, useView } from "@/lib/view";

const SHOWN = 30;
const HEEDED = ["tenant", "conversation", "user", "model"] as const;
const LENGTHS = [
  ["", "Of any length"],
  ["100", "100 ms and longer"],
  ["1000", "1 s and longer"],
  ["5000", "5 s and longer"],
  ["30000", "30 s and longer"],
] as const;
const ERRORS = [
  ["", "With and without errors"],
  ["true", "With errors"],
  ["false", "Without errors"],
] as const;

/** Traces that began in the period, the latest first. */
export function TraceList() {
  const { period, search, set } = useView();
  const to = useLinkTo();
  const only = useOnly(HEEDED);
  const [longer] = LENGTHS.find(([ms]) => ms === search.get("longer")) ?? LENGTHS[0];
  const [error] = ERRORS.find(([id]) => id === search.get("error")) ?? ERRORS[0];
  const query = { ...asQuery(period), ...only, limit: SHOWN, cursor: search.get("cursor"), min_duration_ms: longer || null, error: error || null };
  const asked = useAnswer("/api/v1/traces", { query });
  return (
    <ListPage
      title="Traces"
      hint="Latest first"
      controls={
        <>
          <Select label="Length" value={longer} options={LENGTHS} onChange={(next) => set({ longer: next || null, cursor: null }, "push")} />
          <Select label="Errors" value={error} options={ERRORS} onChange={(next) => set({ error: next || null, cursor: null }, "push")} />
        </>
      }
      asked={asked}
      heeded={HEEDED}
      empty={<Empty title="No such trace in this period">Requests through the gateway are traced, and what an application sends over OTLP.</Empty>}
      rowKey={(row) => `${row.tenant_id ?? ""} ${row.trace_id}`}
      columns={[
        {
          id: "at",
          head: "Began",
          cell: (row) => (
            <Link href={to(`/traces/${row.trace_id}`)} className="font-medium whitespace-nowrap text-accent hover:underline" title={`${exactTime(row.started_at)}, trace ${row.trace_id}`}>
              {clock(row.started_at)}
            </Link>
          ),
        },
        {
          id: "root",
          head: "What",
          cell: (row) => (
            <>
              {row.root.name} <span className="text-soft">{row.root.service}</span>
            </>
          ),
        },
        { id: "took", head: "Took", numeric: true, cell: (row) => <Duration ms={row.duration_ms} className="font-medium" /> },
        { id: "spans", head: "Spans", numeric: true, wide: true, cell: (row) => <Count value={row.span_count} /> },
        {
          id: "errors",
          head: "Errors",
          numeric: true,
          cell: (row) => (row.error_spans > 0 ? <Badge tone="bad">{row.error_spans}</Badge> : <span className="text-soft">0</span>),
        },
        { id: "models", head: "Models", wide: true, cell: (row) => row.models.join(", ") },
        { id: "services", head: "Services", wide: true, cell: (row) => row.services.join(", ") },
        { id: "tenant", head: "Tenant", wide: true, cell: (row) => row.tenant_id ?? <span className="text-soft">(the platform)</span> },
        { id: "cost", head: "Cost", numeric: true, cell: (row) => (row.calls > row.unpriced_calls ? <Money amount={row.cost_usd} /> : <Money amount={null} />) },
      ]}
    />
  );
}
