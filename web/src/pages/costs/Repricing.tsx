import type { RepricedGroup, RepricingJob } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { Difference } from "@/components/Difference";
import { Count, Figure, Figures, Money } from "@/components/Figure";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { clock, count, exactTime, exactUsd, usd } from "@/lib/format";
import { useView } from "@/lib/view";

/** What calls would have cost at other prices: the jobs, and the report of the one that is chosen. */
export default function Repricing() {
  const { search } = useView();
  const asked = useAnswer("/api/v1/repricing", { query: { limit: 20 } });
  const id = search.get("job") ?? asked.data?.jobs[0]?.job_id.toString();
  return (
    <>
      <Card title="Re-pricing jobs" hint="a second cost beside each call, never over it">
        <Loaded
          asked={asked}
          isEmpty={(data) => data.jobs.length === 0}
          empty={
            <Empty title="No job yet">
              <code>observatory reprice --since 30d</code> costs calls again, at the newest prices, those of a version, or of a file.
            </Empty>
          }
        >
          {(data) => <Jobs jobs={data.jobs} chosen={id} />}
        </Loaded>
      </Card>
      {id === undefined ? null : <Report id={id} />}
    </>
  );
}

function Jobs({ jobs, chosen }: { readonly jobs: readonly RepricingJob[]; readonly chosen: string | undefined }) {
  const { set } = useView();
  return (
    <Table
      caption="Re-pricing jobs"
      rows={jobs}
      rowKey={(job) => String(job.job_id)}
      isCurrent={(job) => String(job.job_id) === chosen}
      columns={[
        {
          id: "id",
          head: "Job",
          cell: (job) => (
            <button type="button" className="font-medium hover:underline" onClick={() => set({ job: String(job.job_id) })}>
              {job.job_id}
            </button>
          ),
        },
        { id: "state", head: "State", cell: (job) => <Badge tone={job.state === "done" ? "good" : "accent"}>{job.state}</Badge> },
        { id: "prices", head: "Prices", cell: (job) => job.overrides_name ?? job.price_version },
        { id: "of", head: "Of", wide: true, cell: (job) => [job.tenant_id ?? "all tenants", job.model ?? "all models"].join(", ") },
        { id: "calls", head: "Calls", numeric: true, cell: (job) => <Progress job={job} /> },
        { id: "at", head: "Begun", numeric: true, wide: true, cell: (job) => <span title={exactTime(job.created_at)}>{clock(job.created_at)}</span> },
      ]}
    />
  );
}

function Progress({ job }: { readonly job: RepricingJob }) {
  return (
    <>
      <Count value={job.calls} /> {job.state === "done" ? null : `of ${count(job.expected_calls)}`}
    </>
  );
}

function Report({ id }: { readonly id: string }) {
  const asked = useAnswer("/api/v1/repricing/{job_id}", { path: { job_id: id } });
  return (
    <Card title={`Report of job ${id}`} hint="what calls did cost, and would cost">
      <Loaded asked={asked} isEmpty={(data) => data.total.calls === 0} empty={<Empty title="No call was costed again yet" />}>
        {({ total, groups }) => (
          <>
            <Figures label="Report">
              <Figure name="Did cost" value={usd(total.cost_before_usd)} exact={exactUsd(total.cost_before_usd)} />
              <Figure name="Would cost" value={usd(total.cost_after_usd)} exact={exactUsd(total.cost_after_usd)} />
              <Figure name="Difference" testId="repriced" value={<Difference amount={total.difference_usd} />} exact={exactUsd(total.difference_usd)} />
              <Figure name="Calls" value={count(total.calls)} note={`${count(total.unpriced_before)} had no price, ${count(total.unpriced_after)} would have none`} />
            </Figures>
            <div className="border-t">
              <Table
                caption="Re-pricing by tenant and model"
                rows={groups}
                rowKey={(row) => `${row.tenant_id} ${row.model}`}
                columns={[
                  { id: "tenant", head: "Tenant", cell: (row: RepricedGroup) => row.tenant_id },
                  { id: "model", head: "Model", cell: (row) => row.model },
                  { id: "calls", head: "Calls", numeric: true, cell: (row) => <Count value={row.calls} /> },
                  { id: "before", head: "Did cost", numeric: true, cell: (row) => <Money amount={row.cost_before_usd} /> },
                  { id: "after", head: "Would cost", numeric: true, cell: (row) => <Money amount={row.cost_after_usd} /> },
                  { id: "difference", head: "Difference", numeric: true, cell: (row) => <Difference amount={row.difference_usd} /> },
                ]}
              />
            </div>
          </>
        )}
      </Loaded>
    </Card>
  );
}
