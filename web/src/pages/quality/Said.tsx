import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Select } from "@/components/Select";
import { Empty, Loaded } from "@/components/states";
import { Table } from "@/components/Table";
import { Unheeded } from "@/components/Unheeded";
import { clock, exactTime } from "@/lib/format";
import { asQuery } from "@/lib/period";
import { type Dimension, useView } from "@/lib/view";
import { ConversationLink } from "@/components/links";

const KINDS = [
  ["all", "All feedback"],
  ["low", "Low scores"],
  ["commented", "With a comment"],
] as const;
type Kind = (typeof KINDS)[number][0];

const HEEDED: readonly Dimension[] = ["tenant", "conversation", "user"];

const ASKED: Readonly<Record<Kind, Record<string, string | number | boolean>>> = {
  all: {},
  low: { max_value: 0.5 },
  commented: { commented: true },
};

/** The feedback of the period as it stands, latest first, each with the conversation that it is about. */
export function Said() {
  const { period, filters, search, set } = useView();
  const kind = KINDS.find(([name]) => name === search.get("said"))?.[0] ?? "all";
  const query = { ...asQuery(period), ...Object.fromEntries(HEEDED.map((name) => [name, filters[name]])), limit: 100, ...ASKED[kind] };
  const asked = useAnswer("/api/v1/chat/feedback", { query });
  return (
    <>
      <Unheeded heeded={HEEDED} several />
      <div className="flex flex-wrap items-center gap-3 px-4 pt-3 pb-1">
        <p className="text-xs text-soft">Latest first, at most 100; what was corrected is shown as it stands.</p>
        <div className="ml-auto">
          <Select<Kind> label="Which feedback" value={kind} options={KINDS} onChange={(next) => set({ said: next === "all" ? null : next }, "push")} />
        </div>
      </div>
      <Loaded asked={asked} isEmpty={(data) => data.rows.length === 0} empty={<Empty title="Nobody said anything in this period" />}>
        {(data) => (
          <Table
            caption="Feedback"
            rows={data.rows}
            rowKey={(row) => row.feedback_id}
            columns={[
              { id: "at", head: "Given", cell: (row) => <time dateTime={row.given_at} title={exactTime(row.given_at)}>{clock(row.given_at)}</time> },
              { id: "value", head: "Score", cell: (row) => <Badge tone={row.value > 0.5 ? "good" : row.value < 0.5 ? "bad" : "neutral"}>{row.value.toFixed(2)}</Badge> },
              { id: "name", head: "Name", wide: true, cell: (row) => `${row.name} (${row.kind})` },
              { id: "comment", head: "Comment", cell: (row) => <span title={row.comment ?? ""}>{row.comment ?? ""}</span> },
              { id: "user", head: "User", wide: true, cell: (row) => row.user_id ?? "" },
              { id: "tenant", head: "Tenant", wide: true, cell: (row) => row.tenant_id },
              {
                id: "about",
                head: "About",
                cell: (row) =>
                  row.conversation_id === null ? (row.attached ? row.request_id : "no call that is known") : <ConversationLink id={row.conversation_id} tenant={row.tenant_id} />,
              },
            ]}
          />
        )}
      </Loaded>
    </>
  );
}
