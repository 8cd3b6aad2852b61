import type { ReactNode } from "react";
import type { ProviderHealthView, StatusView } from "@/api/schema";
import { type Asked, useAnswer } from "@/api/useAnswer";
import { Badge, type Tone } from "@/components/Badge";
import { Count, Duration } from "@/components/Figure";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { clock, exactTime } from "@/lib/format";

const EVERY_MS = 5_000;
const HEALTH: Readonly<Record<ProviderHealthView["state"], Tone>> = { healthy: "good", degraded: "warn", down: "bad" };

/** How every process, provider and sink is, and how far it is behind. */
export function Processes({ status }: { readonly status: Asked<StatusView> }) {
  const providers = useAnswer("/api/v1/providers/health", {}, { every: EVERY_MS });
  const freshness = useAnswer("/api/v1/analytics/freshness", {}, { every: EVERY_MS });
  return (
    <div className="divide-y">
      <Part title="Processes">
        <Loaded
          asked={status}
          isEmpty={(data) => data.processes.length === 0}
          empty={<Empty title="The gateway was told of no other process">Set OBSERVATORY_PROCESSES to name=address of each health address.</Empty>}
        >
          {(data) => (
            <Table
              caption="Processes"
              rows={data.processes}
              rowKey={(row) => row.name}
              columns={[
                { id: "name", head: "Process", cell: (row) => row.name },
                { id: "state", head: "State", cell: (row) => <Badge tone={row.ok ? "good" : "bad"}>{row.ok ? "well" : "not well"}</Badge> },
                { id: "why", head: "Why", cell: (row) => <span title={row.problem ?? ""}>{row.problem ?? ""}</span> },
              ]}
            />
          )}
        </Loaded>
      </Part>
      <Part title="Providers">
        <Loaded asked={providers} isEmpty={(data) => data.providers.length === 0} empty={<Empty title="No provider was called in the last minutes" />}>
          {(data) => <Providers providers={data.providers} />}
        </Loaded>
      </Part>
      <Part title="How far each consumer group is behind">
        <Loaded asked={status} isEmpty={(data) => !data.lags?.length} empty={<Empty title="Kafka could not be asked, or nobody reads yet" />}>
          {(data) => (
            <Table
              caption="Consumer lag"
              rows={data.lags ?? []}
              rowKey={(row) => `${row.group} ${row.topic}`}
              columns={[
                { id: "group", head: "Group", cell: (row) => <Under name={row.group} of={row.topic} /> },
                { id: "topic", head: "Topic", wide: true, cell: (row) => row.topic },
                { id: "records", head: "Records behind", numeric: true, cell: (row) => <Count value={row.records} /> },
              ]}
            />
          )}
        </Loaded>
      </Part>
      <Part title="Up to when everything is applied">
        <Loaded asked={freshness} isEmpty={(data) => data.sinks.length === 0} empty={<Empty title="Nothing was read yet" />}>
          {(data) => (
            <Table
              caption="Watermarks"
              rows={data.sinks}
              rowKey={(row) => `${row.sink} ${row.topic}`}
              columns={[
                { id: "sink", head: "Sink", cell: (row) => <Under name={row.sink} of={row.topic} /> },
                { id: "topic", head: "Topic", wide: true, cell: (row) => row.topic },
                {
                  id: "until",
                  head: "Complete to",
                  numeric: true,
                  cell: (row) =>
                    row.complete_until === null ? (
                      <Badge tone="warn">not every partition was read</Badge>
                    ) : (
                      <time dateTime={row.complete_until} title={exactTime(row.complete_until)}>
                        {clock(row.complete_until)}
                      </time>
                    ),
                },
                { id: "lag", head: "Behind", numeric: true, cell: (row) => <Duration ms={row.lag_ms} /> },
              ]}
            />
          )}
        </Loaded>
      </Part>
      <Part title="What waits for the broker">
        <Loaded asked={status} isEmpty={(data) => !data.outbox?.length} empty={<Empty title="The database could not be asked" />}>
          {(data) => (
            <Table
              caption="Outbox"
              rows={data.outbox ?? []}
              rowKey={(row) => row.what}
              columns={[
                { id: "what", head: "What", cell: (row) => row.what },
                { id: "waiting", head: "Rows", numeric: true, cell: (row) => <Count value={row.waiting} /> },
                { id: "oldest", head: "The oldest waits", numeric: true, cell: (row) => <Duration ms={row.oldest_s * 1000} /> },
              ]}
            />
          )}
        </Loaded>
      </Part>
    </div>
  );
}

/** A name, and below it, where there is no column for that, what it is of. */
function Under({ name, of }: { readonly name: string; readonly of: string }) {
  return (
    <>
      {name}
      <span className="block text-xs text-soft md:hidden">{of}</span>
    </>
  );
}

function Part({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section>
      <h2 className="px-4 pt-3 pb-1 text-[13px] font-semibold">{title}</h2>
      {children}
    </section>
  );
}

interface Line {
  readonly key: string;
  readonly provider: string;
  readonly model: string | null;
  readonly state: ProviderHealthView["state"];
  readonly since: string;
  readonly calls: number | null;
  readonly errors: number | null;
  readonly faults: number | null;
  readonly p95: number | null;
  readonly usual: number | null;
}

function Providers({ providers }: { readonly providers: readonly ProviderHealthView[] }) {
  const lines = providers.flatMap((one): Line[] => [
    { ...one, key: one.provider, model: null, p95: null, usual: null },
    ...one.models.map((model) => ({ ...model, key: `${one.provider} ${model.model}`, provider: one.provider, p95: model.p95_ms, usual: model.usual_p95_ms })),
  ]);
  return (
    <Table
      caption="Providers in their last minute"
      rows={lines}
      rowKey={(row) => row.key}
      columns={[
        { id: "name", head: "Provider, model", cell: (row) => (row.model === null ? <b className="font-medium">{row.provider}</b> : <span className="pl-4">{row.model}</span>) },
        { id: "state", head: "State", cell: (row) => <Badge tone={HEALTH[row.state]}>{row.state}</Badge> },
        { id: "since", head: "Since", wide: true, cell: (row) => <time dateTime={row.since} title={exactTime(row.since)}>{clock(row.since)}</time> },
        { id: "calls", head: "Calls", numeric: true, cell: (row) => <Count value={row.calls} /> },
        { id: "errors", head: "Errors", numeric: true, cell: (row) => <Count value={row.errors} /> },
        { id: "faults", head: "Its own faults", numeric: true, wide: true, cell: (row) => <Count value={row.faults} /> },
        { id: "p95", head: "p95", numeric: true, wide: true, cell: (row) => <Duration ms={row.p95} /> },
        { id: "usual", head: "Usual p95", numeric: true, wide: true, cell: (row) => <Duration ms={row.usual} /> },
      ]}
    />
  );
}
