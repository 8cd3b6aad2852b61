-- What was wasted, by day and cause. A call is wasted by what became of its request within a day after it, so the sums of a
-- day hold as long as neither it nor the day after it has changed: two rows of `ledger.rolled`.
CREATE TABLE ledger.waste_1d (
  bucket             timestamptz NOT NULL,
  tenant_id          text        NOT NULL,
  provider           text        NOT NULL,
  model              text        NOT NULL,
  cause              text        NOT NULL,
  calls              bigint      NOT NULL,
  cost_usd           numeric     NOT NULL,
  estimated_cost_usd numeric     NOT NULL,
  unpriced_calls     bigint      NOT NULL,
  retried_cost_usd   numeric     NOT NULL,
  fallback_cost_usd  numeric     NOT NULL,
  given_up_cost_usd  numeric     NOT NULL,
  PRIMARY KEY (bucket, tenant_id, provider, model, cause)
);
COMMENT ON TABLE ledger.waste_1d IS
  'sums over a day in UTC of the calls that gave no answer to anybody, kept as long as the facts; it holds for the days of ledger.rolled that have waste_1d and whose next day has waste_1d_after';

ALTER TABLE ledger.rolled DROP CONSTRAINT rolled_sums_check, ADD CONSTRAINT rolled_sums_check CHECK (sums IN (
  'rollup_1h', 'rollup_1d', 'rollup_1h_by', 'rollup_1d_by', 'rollup_1h_totals', 'rollup_1d_totals', 'rollup_1h_parts',
  'rollup_1d_parts', 'rollup_1d_users', 'rollup_1w_users', 'waste_1d', 'waste_1d_after'));
