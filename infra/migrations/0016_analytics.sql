-- Sums of whole hours and days, made of the minutes and the facts when these are over, so that a question about months
-- reads few rows. `ledger.rolled` says which of them hold: whoever changes a minute takes that back in the same
-- transaction, and until it is summed anew the minutes and the facts are read in its place.
CREATE TABLE ledger.rollup_1h (
  bucket                timestamptz NOT NULL,
  tenant_id             text        NOT NULL,
  provider              text        NOT NULL,
  model                 text        NOT NULL,
  operation             text        NOT NULL,
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
  PRIMARY KEY (bucket, tenant_id, provider, model, operation)
);
COMMENT ON TABLE ledger.rollup_1h IS
  'sums of ledger.rollup_1m over an hour and over its parts; it holds for the hours of ledger.rolled only';

CREATE TABLE ledger.rollup_1d (LIKE ledger.rollup_1h INCLUDING ALL);
COMMENT ON TABLE ledger.rollup_1d IS
  'sums of ledger.rollup_1h over a day in UTC; it holds for the days of ledger.rolled only';

CREATE TABLE ledger.rollup_1d_by (
  name      bytea NOT NULL,
  dimension text  NOT NULL,
  value     text,
  LIKE ledger.rollup_1h,
  PRIMARY KEY (bucket, name)
) WITH (fillfactor = 80);
COMMENT ON TABLE ledger.rollup_1d_by IS
  'sums of ledger.calls over a day in UTC by one more thing than the rollups know; kept as long as the facts; it holds for the days of ledger.rolled, from the day''s begin up to rolled.until';
COMMENT ON COLUMN ledger.rollup_1d_by.name IS 'SHA-256 of what the row is about: a name is longer than an index takes';
COMMENT ON COLUMN ledger.rollup_1d_by.dimension IS 'user, api_key, status, source, experiment, variant or prompt_version';
COMMENT ON COLUMN ledger.rollup_1d_by.value IS 'null: the calls that have none';
CREATE INDEX rollup_1d_by_tenant ON ledger.rollup_1d_by (bucket, dimension, tenant_id);
CREATE INDEX rollup_1d_by_value ON ledger.rollup_1d_by (value, dimension, bucket);

CREATE TABLE ledger.rolled (
  bucket       timestamptz NOT NULL,
  sums         text        NOT NULL CHECK (sums IN ('rollup_1h', 'rollup_1d', 'rollup_1d_by')),
  until        timestamptz NOT NULL,
  extending_to timestamptz NOT NULL,
  PRIMARY KEY (bucket, sums)
);
COMMENT ON TABLE ledger.rolled IS 'which hours and days are summed in rollup_1h, rollup_1d and rollup_1d_by';
COMMENT ON COLUMN ledger.rolled.until IS 'everything from bucket up to here is in the sums; bucket itself: nothing yet';
COMMENT ON COLUMN ledger.rolled.extending_to IS 'up to where somebody is just summing';

CREATE FUNCTION ledger.hist_compact(h bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT ledger.hist_merge(h, '{}') $$;
COMMENT ON FUNCTION ledger.hist_compact IS 'a histogram in which a bucket may stand several times, with each bucket once';

CREATE AGGREGATE ledger.hist_union(bigint[]) (
  sfunc = array_cat, stype = bigint[], initcond = '{}', finalfunc = ledger.hist_compact, combinefunc = array_cat,
  parallel = safe);
COMMENT ON AGGREGATE ledger.hist_union(bigint[]) IS 'as hist_sum, faster for some hundred histograms, slower for many thousands';

CREATE FUNCTION ledger.hist_index(ms double precision) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN ms < power(2::double precision, -20) THEN -1000
              WHEN ms >= power(2::double precision, 40) THEN 1279
              ELSE (ceil(ln(ms) / ln(2::double precision) * 32 - 1e-9) - 1)::int END
$$;
COMMENT ON FUNCTION ledger.hist_index IS
  'the bucket of a histogram that a duration falls into; what is taken away keeps a duration on a bound, 512 ms, in the bucket that ends there';

CREATE FUNCTION ledger.hist_value(i int) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN i = -1000 THEN 0
              ELSE 2 * power(2::double precision, (i + 1) / 32.0::double precision)
                   / (1 + power(2::double precision, 1 / 32.0::double precision)) END
$$;
COMMENT ON FUNCTION ledger.hist_value IS 'the duration in ms that a bucket of a histogram stands for, at most 1.09 % off';

CREATE VIEW ledger.counted_calls AS
SELECT started_at, tenant_id, user_id, conversation_id, api_key_id, status, source, experiment_id, variant_id,
       prompt_version, tags, operation, provider, coalesce(response_model, request_model) AS model,
       sent AS calls,
       (status = 'error')::int AS errors,
       sent * (cost_usd IS NULL)::int AS unpriced_calls,
       sent * (cost_state = 'estimated')::int AS estimated_calls,
       1 - sent AS not_sent_calls,
       sent * coalesce(uncached_input_tokens, 0) AS uncached_input_tokens,
       sent * coalesce(cache_read_tokens, 0) AS cache_read_tokens,
       sent * coalesce(cache_write_5m_tokens, 0) AS cache_write_5m_tokens,
       sent * coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens,
       sent * coalesce(output_tokens, 0) AS output_tokens,
       sent * coalesce(reasoning_tokens, 0) AS reasoning_tokens,
       sent * coalesce(input_audio_tokens, 0) AS input_audio_tokens,
       sent * coalesce(output_audio_tokens, 0) AS output_audio_tokens,
       sent * coalesce(input_image_tokens, 0) AS input_image_tokens,
       sent * coalesce(cost_usd, 0) AS cost_usd,
       CASE WHEN cost_state = 'estimated' THEN sent * coalesce(cost_usd, 0) ELSE 0 END AS estimated_cost_usd,
       CASE WHEN sent = 1 THEN ledger.hist_index(total_ms) END AS latency_index,
       CASE WHEN sent = 1 THEN ledger.hist_index(ttft_ms) END AS ttft_index
  FROM (SELECT *, (status <> 'not_sent')::int AS sent FROM ledger.calls) AS c;
COMMENT ON VIEW ledger.counted_calls IS
  'each fact as what it adds to the sums: the columns of the rollups for one call; a call that was never sent counts in not_sent_calls and in nothing else';

-- Facts are written in the order of time, and the calls of a conversation lie close to each other.
CREATE INDEX calls_by_time ON ledger.calls USING brin (started_at, conversation_id text_bloom_ops)
  WITH (pages_per_range = 32, autosummarize = on);
