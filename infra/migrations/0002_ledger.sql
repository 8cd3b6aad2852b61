-- The ledger: one row a call (facts), one-minute sums of them (rollups), and how far each topic was read.
CREATE SCHEMA ledger;

CREATE TABLE ledger.calls (
  call_id               uuid        NOT NULL,
  revision              int         NOT NULL,
  request_id            uuid        NOT NULL,
  attempt               int         NOT NULL,
  source                text        NOT NULL,
  tenant_id             text        NOT NULL,
  user_id               text,
  conversation_id       text,
  operation             text        NOT NULL,
  provider              text        NOT NULL,
  request_model         text        NOT NULL,
  response_model        text,
  provider_response_id  text,
  status                text        NOT NULL,
  error_type            text,
  usage_source          text        NOT NULL,
  cost_usd              numeric,
  cost_state            text        NOT NULL,
  price_version         text,
  started_at            timestamptz NOT NULL,
  first_token_at        timestamptz,
  ended_at              timestamptz,
  tags                  jsonb,
  api_key_id            text,
  service_tier          text,
  region                text,
  experiment_id         text,
  variant_id            text,
  prompt_version        text,
  uncached_input_tokens bigint,
  cache_read_tokens     bigint,
  cache_write_5m_tokens bigint,
  cache_write_1h_tokens bigint,
  output_tokens         bigint,
  reasoning_tokens      bigint,
  input_audio_tokens    bigint,
  output_audio_tokens   bigint,
  input_image_tokens    bigint,
  queue_ms              double precision,
  policy_ms             double precision,
  ttft_ms               double precision,
  total_ms              double precision,
  topic_partition       int         NOT NULL,
  topic_offset          bigint      NOT NULL,
  recorded_at           timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (call_id, started_at)
);
COMMENT ON TABLE ledger.calls IS
  'what is known of each call to a provider: the highest revision of llm.call.recorded; a call is named by call_id and started_at, which never change';
COMMENT ON COLUMN ledger.calls.cost_usd IS 'null when no price is known';
COMMENT ON COLUMN ledger.calls.topic_offset IS 'with topic_partition: where this revision stands in llm.calls';
COMMENT ON COLUMN ledger.calls.recorded_at IS 'the database''s time of the transaction that wrote the call first';

SELECT create_hypertable('ledger.calls', 'started_at',
  chunk_time_interval => interval '1 day', create_default_indexes => false);
CREATE INDEX calls_by_tenant ON ledger.calls (tenant_id, started_at);

CREATE TABLE ledger.rollup_1m (
  bucket                timestamptz NOT NULL,
  tenant_id             text        NOT NULL,
  provider              text        NOT NULL,
  model                 text        NOT NULL,
  operation             text        NOT NULL,
  part                  int         NOT NULL,
  calls                 bigint      NOT NULL,
  errors                bigint      NOT NULL,
  unpriced_calls        bigint      NOT NULL,
  estimated_calls       bigint      NOT NULL,
  not_sent_calls        bigint      NOT NULL,
  uncached_input_tokens bigint      NOT NULL,
  cache_read_tokens     bigint      NOT NULL,
  cache_write_5m_tokens bigint      NOT NULL,
  cache_write_1h_tokens bigint      NOT NULL,
  output_tokens         bigint      NOT NULL,
  reasoning_tokens      bigint      NOT NULL,
  input_audio_tokens    bigint      NOT NULL,
  output_audio_tokens   bigint      NOT NULL,
  input_image_tokens    bigint      NOT NULL,
  cost_usd              numeric     NOT NULL,
  estimated_cost_usd    numeric     NOT NULL,
  latency_ms_hist       bigint[]    NOT NULL,
  ttft_ms_hist          bigint[]    NOT NULL,
  PRIMARY KEY (bucket, tenant_id, provider, model, operation, part)
) WITH (fillfactor = 70);
COMMENT ON TABLE ledger.rollup_1m IS
  'sums of ledger.calls by the minute of started_at; only the sum over part means something: a correction is booked under the part of the record that brought it, so one row may be negative';
COMMENT ON COLUMN ledger.rollup_1m.model IS 'as the provider answered, else as asked';
COMMENT ON COLUMN ledger.rollup_1m.calls IS 'without those that were never sent, which are in not_sent_calls and in no other sum';
COMMENT ON COLUMN ledger.rollup_1m.errors IS 'of the calls, those with status error';
COMMENT ON COLUMN ledger.rollup_1m.unpriced_calls IS 'of the calls, those without a price: they are missing from cost_usd';
COMMENT ON COLUMN ledger.rollup_1m.estimated_cost_usd IS 'of cost_usd, what is still an estimate; estimated_calls counts its calls';
COMMENT ON COLUMN ledger.rollup_1m.latency_ms_hist IS 'of total_ms; see ledger.hist_quantile';

SELECT create_hypertable('ledger.rollup_1m', 'bucket',
  chunk_time_interval => interval '7 days', create_default_indexes => false);

CREATE TABLE ledger.sink_offsets (
  sink           text        NOT NULL,
  topic          text        NOT NULL,
  log_epoch      int         NOT NULL,
  part           int         NOT NULL,
  next_offset    bigint      NOT NULL,
  last_record_at timestamptz,
  applied_until  timestamptz,
  owner          text        NOT NULL,
  updated_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (sink, topic, log_epoch, part)
) WITH (fillfactor = 50);
COMMENT ON TABLE ledger.sink_offsets IS 'how far a sink has applied a topic: moved by compare-and-set in the transaction that writes what was read';
COMMENT ON COLUMN ledger.sink_offsets.log_epoch IS 'counts the logs that a partition had: a new one begins when its topic was made anew';
COMMENT ON COLUMN ledger.sink_offsets.last_record_at IS 'the broker''s append time of the record before next_offset: how a log is known again';
COMMENT ON COLUMN ledger.sink_offsets.applied_until IS 'every record appended up to here is applied: the append time of the last one, or the last poll that found no more';

-- Latency histograms: OpenTelemetry exponential, scale 5, sparse, one bigint a bucket: index * 2^40 + signed count.
-- The same in Python: observatory/rules/sketch.py. 549755813888 is 2^39.
CREATE FUNCTION ledger.hist_merge(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(array_agg((i << 40) + n ORDER BY i) FILTER (WHERE n <> 0), '{}')
  FROM (SELECT (x + 549755813888) >> 40 AS i, sum(x - (((x + 549755813888) >> 40) << 40))::bigint AS n
        FROM unnest(a || b) AS x GROUP BY 1) AS sums
$$;
COMMENT ON FUNCTION ledger.hist_merge IS 'the sum of two histograms';

CREATE AGGREGATE ledger.hist_sum(bigint[]) (
  sfunc = ledger.hist_merge, stype = bigint[], initcond = '{}', combinefunc = ledger.hist_merge, parallel = safe);
COMMENT ON AGGREGATE ledger.hist_sum(bigint[]) IS 'the sum of histograms: hist_quantile(hist_sum(latency_ms_hist), 0.95)';

CREATE FUNCTION ledger.hist_quantile(h bigint[], p double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN i = -1000 THEN 0
              ELSE 2 * power(2::double precision, (i + 1) / 32.0::double precision)
                   / (1 + power(2::double precision, 1 / 32.0::double precision)) END
  FROM (SELECT i, sum(n) OVER (ORDER BY i) AS up_to, sum(n) OVER () AS total
        FROM (SELECT (x + 549755813888) >> 40 AS i, sum(x - (((x + 549755813888) >> 40) << 40)) AS n
              FROM unnest(h) AS x GROUP BY 1) AS sums
        WHERE n > 0) AS ranked
  WHERE up_to >= greatest(1, ceil(p * total::double precision))
  ORDER BY i LIMIT 1
$$;
COMMENT ON FUNCTION ledger.hist_quantile IS 'the ms that a share p (0 to 1) of the values does not exceed, at most 1.09 % off; null for an empty histogram';

CREATE FUNCTION ledger.hist_count(h bigint[]) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(sum(x - (((x + 549755813888) >> 40) << 40)), 0)::bigint FROM unnest(h) AS x
$$;
COMMENT ON FUNCTION ledger.hist_count IS 'how many values a histogram holds';

-- The Community edition compresses what can no longer change: beyond the retention of the topic and of the journal.
DO $$
BEGIN
  IF current_setting('timescaledb.license') = 'timescale' THEN
    ALTER TABLE ledger.calls SET (timescaledb.compress, timescaledb.compress_segmentby = 'tenant_id',
      timescaledb.compress_orderby = 'started_at, call_id');
    PERFORM add_compression_policy('ledger.calls', interval '40 days');
  END IF;
END
$$;
