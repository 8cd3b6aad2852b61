-- Hours by one more thing than the rollups know: the parts of days that a period begins and ends with are read from them
-- instead of the facts, and days are made of them.
CREATE TABLE ledger.rollup_1h_by (LIKE ledger.rollup_1d_by INCLUDING ALL);
COMMENT ON TABLE ledger.rollup_1h_by IS
  'sums of ledger.calls over an hour by one more thing than the rollups know, as those of the days; kept as long as the facts; it holds for the hours of ledger.rolled only';

ALTER TABLE ledger.rolled DROP CONSTRAINT rolled_sums_check, ADD CONSTRAINT rolled_sums_check CHECK (
  sums IN ('rollup_1h', 'rollup_1d', 'rollup_1h_by', 'rollup_1d_by', 'rollup_1h_totals', 'rollup_1d_totals'));

CREATE AGGREGATE ledger.hist_concat(bigint[]) (
  sfunc = array_cat, stype = bigint[], initcond = '{}', combinefunc = array_cat, parallel = safe);
COMMENT ON AGGREGATE ledger.hist_concat(bigint[]) IS 'as hist_union, but a bucket may stand several times';
