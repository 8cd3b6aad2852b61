import { useAnswer } from "@/api/useAnswer";
import { Card } from "@/components/Card";
import { Count, Delta, Money } from "@/components/Figure";
import { Page } from "@/components/Page";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { Watermark } from "@/components/Watermark";
import { usd } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { DIMENSION_NAMES, DIMENSIONS, useView } from "@/lib/view";

/** What calls cost, by anything. */
export default function Costs() {
  const { period, filters, search, set } = useView();
  const by = DIMENSIONS.find((each) => each === search.get("by")) ?? "model";
  const query = { ...asQuery(period), ...filters, group_by: by, top: 20, compare: "previous" };
  const costs = useAnswer("/api/v1/analytics/costs", { query });
  return (
    <Page title="Costs" watermark={<Watermark until={costs.data?.watermark} complete={costs.data?.complete ?? false} />}>
      <Card
        title="By group"
        aside={<Select label="Group by" value={by} options={DIMENSIONS.map((each) => [each, DIMENSION_NAMES[each]] as const)} onChange={(next) => set({ by: next }, "push")} />}
      >
        <Loaded asked={costs} isEmpty={(data) => data.rows.length === 0} empty={<Empty title="No calls in this period" />}>
          {(data) => (
            <Table
              caption={`Costs by ${by}`}
              rows={data.rows}
              rowKey={(row) => (row.other ? "others" : String(row.group?.[by]))}
              columns={[
                { id: "name", head: DIMENSION_NAMES[by], cell: (row) => (row.other ? `${row.groups} others` : (row.group?.[by] ?? "(none)")) },
                { id: "calls", head: "Calls", numeric: true, cell: (row) => <Count value={row.calls} /> },
                { id: "cost", head: "Cost", numeric: true, cell: (row) => <Money amount={row.cost_usd} /> },
                { id: "change", head: "Before", numeric: true, cell: (row) => <Delta now={row.cost_usd} before={row.previous?.cost_usd} more="bad" write={usd} /> },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
