-- What a list of traces may ask for besides its order stands in the index too: what does not fit is not fetched.
ALTER TABLE streams.traces ADD COLUMN duration_us bigint NOT NULL
  GENERATED ALWAYS AS ((state->'sums'->>'end_us')::bigint - (state->'sums'->>'start_us')::bigint) STORED;
DROP INDEX streams.traces_by_tenant, streams.traces_by_start;
CREATE INDEX traces_by_tenant ON streams.traces (tenant_id, start_us DESC, trace_id DESC, cost_usd, duration_us);
CREATE INDEX traces_by_start ON streams.traces (start_us DESC, trace_id DESC, tenant_id, cost_usd, duration_us);
