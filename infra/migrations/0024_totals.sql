-- Sums of hours and days over all tenants, over all that a tenant calls, and over everything: a question about all tenants
-- merges one histogram for a model and hour, not one for each tenant. They hold, and are taken back, by `ledger.rolled` like the rest.
CREATE TABLE ledger.rollup_1h_totals (
  kind text NOT NULL CHECK (kind IN ('all', 'models', 'tenants')),
  LIKE ledger.rollup_1h,
  PRIMARY KEY (bucket, kind, tenant_id, provider, model, operation)
);
COMMENT ON TABLE ledger.rollup_1h_totals IS
  'sums of ledger.rollup_1h over the tenants or over everything else; it holds for the hours of ledger.rolled only';
COMMENT ON COLUMN ledger.rollup_1h_totals.kind IS
  'all: one row; models: by provider, model and operation, of all tenants; tenants: by tenant, of everything; the names of what is summed over are empty';

CREATE TABLE ledger.rollup_1d_totals (LIKE ledger.rollup_1h_totals INCLUDING ALL);
COMMENT ON TABLE ledger.rollup_1d_totals IS
  'sums of ledger.rollup_1d as those of the hours; it holds for the days of ledger.rolled only';

ALTER TABLE ledger.rolled DROP CONSTRAINT rolled_sums_check, ADD CONSTRAINT rolled_sums_check
  CHECK (sums IN ('rollup_1h', 'rollup_1d', 'rollup_1d_by', 'rollup_1h_totals', 'rollup_1d_totals'));
COMMENT ON TABLE ledger.rolled IS 'which hours and days are summed in the tables that `sums` names';
