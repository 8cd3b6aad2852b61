-- The stateful processors: one table for each fold, written by `streams.app` in the transaction that moves its offsets.
CREATE SCHEMA IF NOT EXISTS streams;

-- Which calls were counted in a window, so that one that comes again is not counted twice.
CREATE TABLE streams.recent_calls (
  part       int         NOT NULL,
  key        text        NOT NULL,
  version    bigint      NOT NULL,
  touched_at timestamptz NOT NULL,
  state      jsonb       NOT NULL,
  PRIMARY KEY (part, key)
);
CREATE INDEX recent_calls_by_age ON streams.recent_calls USING brin (touched_at) WITH (pages_per_range = 32);

-- One-second windows of the calls that a partition took in that second; the key is the second since 1970.
CREATE TABLE streams.windows (
  part       int         NOT NULL,
  key        text        NOT NULL,
  version    bigint      NOT NULL,
  touched_at timestamptz NOT NULL,
  state      jsonb       NOT NULL,
  second     bigint      NOT NULL GENERATED ALWAYS AS ((state->>'second')::bigint) STORED,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 50);
CREATE INDEX windows_by_second ON streams.windows (second);

-- The cells of the windows; histograms are packed as in `ledger.rollup_1m`.
CREATE VIEW streams.window_cells AS
SELECT w.part, w.second, c.tenant_id, c.provider, c.model, c.calls, c.errors, c.unpriced_calls, c.input_tokens,
  c.output_tokens, c.cost_usd, c.latency_ms_hist, c.ttft_ms_hist
FROM streams.windows AS w
CROSS JOIN LATERAL jsonb_to_recordset(w.state->'cells') AS c(tenant_id text, provider text, model text, calls bigint,
  errors bigint, unpriced_calls bigint, input_tokens bigint, output_tokens bigint, cost_usd numeric,
  latency_ms_hist bigint[], ttft_ms_hist bigint[]);

-- Up to when every partition of `llm.calls` was taken into windows: seconds before it are closed for ever.
CREATE FUNCTION streams.closed_until() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN bool_and(applied_until IS NOT NULL) THEN min(applied_until) END
  FROM (SELECT DISTINCT ON (topic, part) applied_until FROM ledger.sink_offsets
        WHERE sink = 'streams.recent_calls' ORDER BY topic, part, log_epoch DESC) AS newest
$$;

-- Cursors of the tasks that one process at a time does for all: moved by compare-and-set with what they write.
CREATE TABLE streams.cursors (
  name       text        PRIMARY KEY,
  position   bigint      NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
);
