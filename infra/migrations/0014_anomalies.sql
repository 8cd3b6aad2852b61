-- Anomalies and the health of providers: what the leader of the stream workers remembers between two looks.

-- One row a series, a tenant's calls to a model: what is usual of it (observatory.rules.anomalies.series as JSON).
CREATE TABLE streams.anomaly_series (
  tenant_id  text        NOT NULL,
  model      text        NOT NULL,
  state      jsonb       NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, model)
) WITH (fillfactor = 50);
COMMENT ON TABLE streams.anomaly_series IS
  'moves in the transaction that moves the cursor "anomalies" of streams.cursors; model: without the date of its version';

-- One row a provider: how it was when it was last looked at (observatory.rules.health as JSON).
CREATE TABLE streams.provider_health (
  provider       text        PRIMARY KEY,
  state          jsonb       NOT NULL,
  measured_until bigint      NOT NULL
) WITH (fillfactor = 50);
COMMENT ON COLUMN streams.provider_health.measured_until IS 'second since 1970 up to which its calls are in; it never falls';

CREATE OR REPLACE VIEW streams.window_cells AS
SELECT w.part, w.second, c.tenant_id, c.provider, c.model, c.calls, c.errors, c.unpriced_calls, c.input_tokens,
  c.output_tokens, c.cost_usd, c.latency_ms_hist, c.ttft_ms_hist, coalesce(c.faults, 0) AS faults
FROM streams.windows AS w
CROSS JOIN LATERAL jsonb_to_recordset(w.state->'cells') AS c(tenant_id text, provider text, model text, calls bigint,
  errors bigint, unpriced_calls bigint, input_tokens bigint, output_tokens bigint, cost_usd numeric,
  latency_ms_hist bigint[], ttft_ms_hist bigint[], faults bigint);
COMMENT ON COLUMN streams.window_cells.faults IS 'errors that are the provider''s own: not those of a request, a key or a limit';
