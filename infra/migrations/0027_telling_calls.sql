-- The few calls that tell of waste: attempts after the first, and those that did not simply go well. All that is asked of
-- them stands in the index, so that what a month has wasted is read without its facts.
CREATE INDEX calls_telling ON ledger.calls (started_at)
  INCLUDE (tenant_id, request_id, attempt, status, error_type, operation, provider, request_model, response_model, source,
           cost_usd, cost_state, total_ms)
  WHERE attempt > 1 OR status <> 'ok' OR cost_state = 'reconciled';
