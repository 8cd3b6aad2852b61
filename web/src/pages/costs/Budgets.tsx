import type { BudgetState } from "@/api/schema";
import { useAnswer } from "@/api/useAnswer";
import { Badge } from "@/components/Badge";
import { Card } from "@/components/Card";
import { cx } from "@/components/classes";
import { Money } from "@/components/Figure";
import { Empty, Loaded } from "@/components/states";
import { compare, shareInPermille } from "@/lib/decimal";
import { clock, exactUsd, usd } from "@/lib/format";

const EVERY_MS = 5_000;

/** What may be spent, how that stands, and when it will be gone at this rate. */
export default function Budgets() {
  const asked = useAnswer("/api/v1/budgets", { query: { all_tenants: true } }, { every: EVERY_MS });
  return (
    <Card title="Budgets" hint="in their current periods; filters and the period of this page do not matter here">
      <Loaded
        asked={asked}
        isEmpty={(data) => data.budgets.length === 0}
        empty={
          <Empty title="No budget is set">
            <code>observatory budgets create</code> or POST /api/v1/budgets makes one.
          </Empty>
        }
      >
        {(data) => (
          <ul className="grid md:grid-cols-2 xl:grid-cols-3">
            {data.budgets.map((budget) => (
              <li key={budget.budget_id} className="p-4">
                <Budget budget={budget} />
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Card>
  );
}

function Budget({ budget }: { readonly budget: BudgetState }) {
  const spent = shareInPermille(budget.spent_usd, budget.limit_usd);
  const held = Math.min(1000 - spent, shareInPermille(budget.reserved_usd, budget.limit_usd));
  const over = compare(budget.spent_usd, budget.limit_usd) >= 0;
  const color = over ? "bg-bad" : spent >= 800 ? "bg-warn" : "bg-accent";
  return (
    <article aria-label={`Budget ${budget.budget_id}`}>
      <h3 className="flex items-center gap-2 text-[13px] font-semibold">
        <span className="truncate">{budget.budget_id}</span>
        <Badge tone={budget.hard ? "accent" : "neutral"}>{budget.hard ? "hard" : "soft"}</Badge>
      </h3>
      <p className="mt-0.5 truncate text-xs text-soft">
        {budget.scope === "tenant" ? budget.tenant_id : `${budget.tenant_id}, ${budget.scope} ${budget.scope_value}`}, {budget.period === "total" ? "once and for all" : `each ${budget.period} (${budget.time_zone})`}
      </p>
      <p className="mt-2">
        <Money amount={budget.spent_usd} className="text-lg font-semibold" />
        <span className="text-soft">
          {" "}
          of <Money amount={budget.limit_usd} />
        </span>
      </p>
      <div
        role="meter"
        aria-label="Spent"
        aria-valuemin={0}
        aria-valuemax={1000}
        aria-valuenow={spent}
        aria-valuetext={`${spent / 10} % spent, ${held / 10} % held`}
        className="mt-1.5 flex h-2 overflow-hidden rounded-full bg-raised"
      >
        <span className={cx("h-full", color)} style={{ width: `${spent / 10}%` }} />
        <span className={cx("h-full opacity-40", color)} style={{ width: `${held / 10}%` }} />
      </div>
      <dl className="mt-2 grid grid-cols-2 gap-x-4 gap-y-1 text-xs">
        <Row name="Left" amount={budget.left_usd} />
        <Row name="Held" amount={budget.reserved_usd} />
        <Row name="An hour" amount={budget.burn_usd_per_hour} />
        <Row name="Forecast" amount={budget.forecast_usd} />
      </dl>
      <p className={cx("mt-2 text-xs", budget.exhausted_at === null ? "text-soft" : "font-medium text-bad")}>
        {ending(budget, over)}
      </p>
    </article>
  );
}

function ending(budget: BudgetState, over: boolean): string {
  const anew = budget.resets_at === null ? "" : `; begins anew ${clock(budget.resets_at)}`;
  if (over) return `Used up${anew}`;
  if (budget.exhausted_at !== null) return `At this rate used up ${clock(budget.exhausted_at)}${anew}`;
  return `At this rate it lasts${anew}`;
}

function Row({ name, amount }: { readonly name: string; readonly amount: string | null }) {
  return (
    <div className="flex justify-between gap-2">
      <dt className="text-soft">{name}</dt>
      <dd title={exactUsd(amount)}>{usd(amount)}</dd>
    </div>
  );
}
