import type { AnalyticsAnswerCostRow } from "@/api/schema";
import type { Asked } from "@/api/useAnswer";
import { Delta, Figure, Figures } from "@/components/Figure";
import { Empty, Loaded, Skeleton } from "@/components/states";
import { count, exactCount, exactUsd, usd } from "@/lib/format";

/** The sums of the period; what is not exact yet stands apart. */
export function CostFigures({ costs }: { readonly costs: Asked<AnalyticsAnswerCostRow> }) {
  return (
    <Loaded
      asked={costs}
      skeleton={<Skeleton className="m-4 h-16" />}
      isEmpty={(data) => data.rows.length === 0}
      empty={<Empty title="No calls in this period">Choose a longer period, or remove a filter.</Empty>}
    >
      {({ rows: [row] }) => {
        if (!row) return null;
        const before = row.previous;
        return (
          <Figures label="Costs of the period">
            <Figure
              name="Cost"
              testId="cost"
              value={usd(row.cost_usd)}
              exact={exactUsd(row.cost_usd)}
              delta={<Delta now={row.cost_usd} before={before?.cost_usd} more="bad" write={usd} />}
            />
            <Figure
              name="Of it estimated"
              value={usd(row.estimated_cost_usd)}
              exact={`${exactUsd(row.estimated_cost_usd)}, until reconciled`}
              note={`${count(row.estimated_calls)} calls`}
            />
            <Figure
              name="Calls without a price"
              testId="unpriced"
              value={<span className={row.unpriced_calls > 0 ? "text-warn" : ""}>{count(row.unpriced_calls)}</span>}
              note="missing from the cost"
            />
            <Figure
              name="Average of a call"
              value={usd(row.average_cost_usd)}
              exact={exactUsd(row.average_cost_usd)}
              delta={<Delta now={row.average_cost_usd} before={before?.average_cost_usd} more="bad" write={usd} />}
            />
            <Figure name="Calls" value={count(row.calls)} exact={exactCount(row.calls)} delta={<Delta now={row.calls} before={before?.calls} write={count} />} />
            <Figure
              name="Tokens read"
              value={count(row.input_tokens)}
              exact={`${exactCount(row.cache_read_tokens)} of ${exactCount(row.input_tokens)} from a cache`}
              delta={<Delta now={row.input_tokens} before={before?.input_tokens} write={count} />}
            />
            <Figure
              name="Tokens written"
              value={count(row.output_tokens)}
              exact={`${exactCount(row.reasoning_tokens)} of ${exactCount(row.output_tokens)} for reasoning`}
              delta={<Delta now={row.output_tokens} before={before?.output_tokens} write={count} />}
            />
          </Figures>
        );
      }}
    </Loaded>
  );
}
