-- Spans, and traces put together from them.

CREATE TABLE ledger.spans (
  tenant_id       text        COLLATE "C" NOT NULL,
  trace_id        text        COLLATE "C" NOT NULL,
  span_id         text        COLLATE "C" NOT NULL,
  parent_span_id  text        COLLATE "C",
  start_at        timestamptz NOT NULL,
  start_ns        bigint      NOT NULL,
  end_ns          bigint      NOT NULL,
  service         text        NOT NULL,
  name            text        NOT NULL,
  kind            text        NOT NULL,
  status          text        NOT NULL,
  status_message  text,
  scope           text,
  resource        jsonb,
  attributes      jsonb,
  events          jsonb,
  links           jsonb,
  dropped         int,
  conversation_id text,
  user_id         text,
  request_id      uuid,
  call_id         uuid,
  cost_usd        numeric,
  PRIMARY KEY (trace_id, span_id, start_at, tenant_id)
);
COMMENT ON TABLE ledger.spans IS 'one row a span; of spans that come again under one id with another start the trace counts one';
COMMENT ON COLUMN ledger.spans.tenant_id IS 'empty for the platform''s own spans that are no tenant''s';
COMMENT ON COLUMN ledger.spans.start_ns IS 'ns since 1970; start_at is the same in whole microseconds';
COMMENT ON COLUMN ledger.spans.dropped IS 'attributes, events and links that were left out';

SELECT create_hypertable('ledger.spans', 'start_at',
  chunk_time_interval => interval '1 day', create_default_indexes => false);
-- Which spans of other traces name a trace: those that worked on many at once.
CREATE INDEX spans_by_link ON ledger.spans USING gin (links jsonb_path_ops) WHERE links IS NOT NULL;

CREATE TABLE streams.traces (
  part       int         NOT NULL,
  key        text        COLLATE "C" NOT NULL,
  version    bigint      NOT NULL,
  touched_at timestamptz NOT NULL,
  state      jsonb       NOT NULL,
  tenant_id  text        COLLATE "C" NOT NULL GENERATED ALWAYS AS (state->>'tenant_id') STORED,
  trace_id   text        COLLATE "C" NOT NULL GENERATED ALWAYS AS (state->>'trace_id') STORED,
  start_us   bigint      NOT NULL GENERATED ALWAYS AS ((state->'sums'->>'start_us')::bigint) STORED,
  end_us     bigint      NOT NULL GENERATED ALWAYS AS ((state->'sums'->>'end_us')::bigint) STORED,
  errors     int         NOT NULL GENERATED ALWAYS AS ((state->'sums'->>'errors')::int) STORED,
  cost_usd   numeric     NOT NULL GENERATED ALWAYS AS ((state->'sums'->>'cost_usd')::numeric) STORED,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 70);
COMMENT ON TABLE streams.traces IS 'one row a trace: sums over all its spans, outlines of at most 2,500 of them';
COMMENT ON COLUMN streams.traces.touched_at IS 'when the broker took the last span: a trace is closed when nothing came for a while';
CREATE INDEX traces_by_start ON streams.traces (tenant_id, start_us DESC, trace_id);
CREATE INDEX traces_by_id ON streams.traces (trace_id);
CREATE INDEX traces_by_name ON streams.traces USING gin ((state->'conversation_ids') jsonb_path_ops,
  (state->'user_ids') jsonb_path_ops, (state->'models') jsonb_path_ops);
CREATE INDEX traces_by_age ON streams.traces USING brin (touched_at) WITH (pages_per_range = 32);

-- Up to when every partition of `trace.spans` was taken into traces; null while one was never read.
CREATE FUNCTION streams.traces_until() RETURNS timestamptz LANGUAGE sql STABLE AS $$
  SELECT CASE WHEN bool_and(applied_until IS NOT NULL) THEN min(applied_until) END
  FROM (SELECT DISTINCT ON (topic, part) applied_until FROM ledger.sink_offsets
        WHERE sink = 'streams.traces' ORDER BY topic, part, log_epoch DESC) AS newest
$$;
