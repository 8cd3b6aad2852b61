-- Sums of whole hours and days beside the minutes. `ledger.rolled` says which of them hold; see rolling.py.

-- name: take_over
SELECT pg_try_advisory_lock(7305117216)

-- name: hand_over
SELECT pg_advisory_unlock(7305117216)

-- name: hours_to_roll
-- Hours that were over before $1 and are not summed, the newest first, $2 at most.
SELECT h AS bucket, h + interval '1 hour' AS until
  FROM generate_series((SELECT date_trunc('day', min(bucket), 'UTC') FROM ledger.rollup_1m),
                       $1::timestamptz - interval '1 hour', interval '1 hour') AS h
 WHERE NOT EXISTS (SELECT FROM ledger.rolled r WHERE r.bucket = h AND r.sums = 'rollup_1h' AND r.until > h)
 ORDER BY h DESC LIMIT $2

-- name: days_to_roll
-- Days of which all hours are summed in $3 and they are not in $4, the newest first, $2 at most; $1 is not needed to know
-- them.
SELECT d AS bucket, d + interval '1 day' AS until
  FROM (SELECT date_trunc('day', bucket, 'UTC') AS d
          FROM ledger.rolled WHERE sums = $3 AND until > bucket AND bucket < $1::timestamptz
         GROUP BY 1 HAVING count(*) = 24) AS whole
 WHERE NOT EXISTS (SELECT FROM ledger.rolled r WHERE r.bucket = d AND r.sums = $4 AND r.until > d)
 ORDER BY d DESC LIMIT $2

-- name: totals_to_roll
-- Hours or days, as $3 says, whose sums hold while their totals $4 do not, the newest first, $2 at most.
SELECT bucket, until FROM ledger.rolled s
 WHERE sums = $3 AND until > bucket AND bucket < $1::timestamptz
   AND NOT EXISTS (SELECT FROM ledger.rolled r WHERE r.bucket = s.bucket AND r.sums = $4 AND r.until > r.bucket)
 ORDER BY bucket DESC LIMIT $2

-- name: hours_by_to_roll
-- Hours of days with facts that were over before $1 and are not summed in $3, the newest first, $2 at most.
SELECT h AS bucket, h + interval '1 hour' AS until
  FROM (SELECT DISTINCT date_trunc('day', range_start, 'UTC') AS d FROM timescaledb_information.chunks
         WHERE hypertable_schema = 'ledger' AND hypertable_name = 'calls') AS days,
       generate_series(d, least(d + interval '23 hours', $1::timestamptz - interval '1 hour'), interval '1 hour') AS h
 WHERE NOT EXISTS (SELECT FROM ledger.rolled r WHERE r.bucket = h AND r.sums = $3 AND r.until > h)
 ORDER BY h DESC LIMIT $2

-- name: days_by_to_roll
-- Days with facts that are not summed as far as they were over before $1, the newest first, $2 at most.
SELECT d AS bucket, least(d + interval '1 day', $1::timestamptz) AS until
  FROM (SELECT DISTINCT date_trunc('day', range_start, 'UTC') AS d FROM timescaledb_information.chunks
         WHERE hypertable_schema = 'ledger' AND hypertable_name = 'calls') AS days
  LEFT JOIN ledger.rolled r ON r.bucket = d AND r.sums = 'rollup_1d_by'
 WHERE d < $1 AND (r.until IS NULL OR r.until < least(d + interval '1 day', $1))
 ORDER BY d DESC LIMIT $2

-- name: users_to_roll
-- Days that are summed by user, as far as they are, and not yet so far over all that users call; the newest first, $2 at
-- most; $1 is not needed to know them.
SELECT d.bucket, d.until
  FROM ledger.rolled d LEFT JOIN ledger.rolled r ON r.bucket = d.bucket AND r.sums = 'rollup_1d_users'
 WHERE d.sums = 'rollup_1d_by' AND d.until > d.bucket AND d.bucket < $1::timestamptz
   AND (r.until IS NULL OR r.until < d.until)
 ORDER BY d.bucket DESC LIMIT $2

-- name: weeks_to_roll
-- Weeks of which all days are summed and they are not, the newest first, $2 at most; $1 is not needed to know them.
SELECT w AS bucket, w + interval '7 days' AS until
  FROM (SELECT date_trunc('week', bucket, 'UTC') AS w
          FROM ledger.rolled
         WHERE sums = 'rollup_1d_users' AND until = bucket + interval '1 day' AND bucket < $1::timestamptz
         GROUP BY 1 HAVING count(*) = 7) AS whole
 WHERE NOT EXISTS (SELECT FROM ledger.rolled r WHERE r.bucket = w AND r.sums = 'rollup_1w_users' AND r.until > w)
 ORDER BY w DESC LIMIT $2

-- name: waste_to_roll
-- Days with facts that were over before $1 with the day after them, and are not summed, the newest first, $2 at most.
SELECT d AS bucket, d + interval '1 day' AS until
  FROM (SELECT DISTINCT date_trunc('day', range_start, 'UTC') AS d FROM timescaledb_information.chunks
         WHERE hypertable_schema = 'ledger' AND hypertable_name = 'calls') AS days
 WHERE d + interval '2 days' <= $1::timestamptz
   AND 2 > (SELECT count(*) FROM ledger.rolled r
             WHERE r.until > r.bucket AND (r.bucket, r.sums) IN ((d, 'waste_1d'), (d + interval '1 day', 'waste_1d_after')))
 ORDER BY d DESC LIMIT $2

-- name: begin
-- From when this is committed, whoever changes a minute of these buckets $2 up to $3 takes their row of $1 away.
INSERT INTO ledger.rolled AS r (sums, bucket, until, extending_to)
SELECT sums, bucket, bucket, until FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS b (sums, bucket, until)
ON CONFLICT (bucket, sums) DO UPDATE SET extending_to = excluded.extending_to

-- name: now_running
SELECT pg_current_xact_id()::text

-- name: have_ended
-- Whether every transaction that was running then has ended.
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= $1::text::xid8

-- name: summed_until
-- Null when the announcement is gone, or that of one of the hours or days that are to be added up, or of what totals are
-- made of.
SELECT until FROM ledger.rolled r
 WHERE sums = $1 AND bucket = $2 AND extending_to = $3
   AND (sums NOT IN ('rollup_1d', 'rollup_1d_parts') OR 24 = (
     SELECT count(*) FROM ledger.rolled h
      WHERE h.sums = replace(r.sums, '1d', '1h') AND h.until > h.bucket AND h.bucket >= r.bucket AND h.bucket < r.extending_to))
   AND (sums <> 'rollup_1d_by' OR extract(epoch FROM extending_to - until) / 3600 = (
     SELECT count(*) FROM ledger.rolled h
      WHERE h.sums = 'rollup_1h_by' AND h.until > h.bucket AND h.bucket >= r.until AND h.bucket < r.extending_to))
   AND (sums <> 'rollup_1d_users' OR EXISTS (
     SELECT FROM ledger.rolled d
      WHERE d.bucket = r.bucket AND d.sums = 'rollup_1d_by' AND d.until = r.extending_to))
   AND (sums <> 'rollup_1w_users' OR 7 = (
     SELECT count(*) FROM ledger.rolled d
      WHERE d.sums = 'rollup_1d_users' AND d.until = d.bucket + interval '1 day' AND d.bucket >= r.bucket
        AND d.bucket < r.extending_to))
   AND (sums NOT LIKE '%\_totals' OR EXISTS (
     SELECT FROM ledger.rolled s
      WHERE s.bucket = r.bucket AND s.sums || '_totals' = r.sums AND s.until > s.bucket))

-- name: settle
UPDATE ledger.rolled SET until = extending_to WHERE sums = $1 AND bucket = $2 AND until = $3 AND extending_to = $4

-- name: clear_rollup_1h
DELETE FROM ledger.rollup_1h WHERE bucket = $1

-- name: clear_rollup_1d
DELETE FROM ledger.rollup_1d WHERE bucket = $1

-- name: clear_rollup_1h_totals
DELETE FROM ledger.rollup_1h_totals WHERE bucket = $1

-- name: clear_rollup_1d_totals
DELETE FROM ledger.rollup_1d_totals WHERE bucket = $1

-- name: clear_rollup_1h_parts
DELETE FROM ledger.rollup_1h_parts WHERE bucket = $1

-- name: clear_rollup_1d_parts
DELETE FROM ledger.rollup_1d_parts WHERE bucket = $1

-- name: clear_rollup_1d_users
DELETE FROM ledger.rollup_1d_users WHERE bucket = $1

-- name: clear_rollup_1w_users
DELETE FROM ledger.rollup_1w_users WHERE bucket = $1

-- name: clear_rollup_1h_by
DELETE FROM ledger.rollup_1h_by WHERE bucket = $1

-- name: clear_rollup_1d_by
DELETE FROM ledger.rollup_1d_by WHERE bucket = $1

-- name: summing
-- What the rollups add up, in the order of their columns; cells that corrections have emptied add nothing.
sum(calls)::bigint, sum(errors)::bigint, sum(unpriced_calls)::bigint, sum(estimated_calls)::bigint,
sum(not_sent_calls)::bigint, sum(uncached_input_tokens)::bigint, sum(cache_read_tokens)::bigint,
sum(cache_write_5m_tokens)::bigint, sum(cache_write_1h_tokens)::bigint, sum(output_tokens)::bigint,
sum(reasoning_tokens)::bigint, sum(input_audio_tokens)::bigint, sum(output_audio_tokens)::bigint,
sum(input_image_tokens)::bigint, sum(cost_usd), sum(estimated_cost_usd),
ledger.hist_union(latency_ms_hist), ledger.hist_union(ttft_ms_hist)

-- name: summing_hours
-- As `summing`; small histograms are put one after the other, which says the same.
sum(calls)::bigint, sum(errors)::bigint, sum(unpriced_calls)::bigint, sum(estimated_calls)::bigint,
sum(not_sent_calls)::bigint, sum(uncached_input_tokens)::bigint, sum(cache_read_tokens)::bigint,
sum(cache_write_5m_tokens)::bigint, sum(cache_write_1h_tokens)::bigint, sum(output_tokens)::bigint,
sum(reasoning_tokens)::bigint, sum(input_audio_tokens)::bigint, sum(output_audio_tokens)::bigint,
sum(input_image_tokens)::bigint, sum(cost_usd), sum(estimated_cost_usd),
CASE WHEN sum(cardinality(latency_ms_hist)) > 64 THEN ledger.hist_compact(ledger.hist_concat(latency_ms_hist))
     ELSE ledger.hist_concat(latency_ms_hist) END,
CASE WHEN sum(cardinality(ttft_ms_hist)) > 64 THEN ledger.hist_compact(ledger.hist_concat(ttft_ms_hist))
     ELSE ledger.hist_concat(ttft_ms_hist) END

-- name: fill_rollup_1h
-- The hour from $1 up to $2.
INSERT INTO ledger.rollup_1h
SELECT $1, tenant_id, provider, model, operation, {summing}
  FROM ledger.rollup_1m WHERE bucket >= $1 AND bucket < $2
 GROUP BY tenant_id, provider, model, operation

-- name: fill_rollup_1d
-- The day from $1 up to $2, of its hours.
INSERT INTO ledger.rollup_1d
SELECT $1, tenant_id, provider, model, operation, {summing}
  FROM ledger.rollup_1h JOIN ledger.rolled USING (bucket)
 WHERE bucket >= $1 AND bucket < $2 AND sums = 'rollup_1h' AND until > bucket
 GROUP BY tenant_id, provider, model, operation

-- name: fill_totals
-- Of the hour or day from $1 up to $2, `sums` being the one that is totalled.
INSERT INTO ledger.{sums}_totals
SELECT 'models', $1, '', provider, model, operation, {summing}
  FROM ledger.{sums} WHERE bucket >= $1 AND bucket < $2
 GROUP BY provider, model, operation
UNION ALL
SELECT 'tenants', $1, tenant_id, '', '', '', {summing}
  FROM ledger.{sums} WHERE bucket >= $1 AND bucket < $2
 GROUP BY tenant_id
UNION ALL
SELECT 'all', $1, '', '', '', '', {summing}
  FROM ledger.{sums} WHERE bucket >= $1 AND bucket < $2
HAVING count(*) > 0

-- name: summing_calls
-- As `summing`, of `counted_calls`. Most groups have a few calls: in their histograms a bucket may stand several times,
-- which says the same and saves a call of a function for each.
sum(calls) AS calls, sum(errors) AS errors, sum(unpriced_calls) AS unpriced_calls,
sum(estimated_calls) AS estimated_calls, sum(not_sent_calls) AS not_sent_calls,
sum(uncached_input_tokens)::bigint AS uncached_input_tokens, sum(cache_read_tokens)::bigint AS cache_read_tokens,
sum(cache_write_5m_tokens)::bigint AS cache_write_5m_tokens, sum(cache_write_1h_tokens)::bigint AS cache_write_1h_tokens,
sum(output_tokens)::bigint AS output_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens,
sum(input_audio_tokens)::bigint AS input_audio_tokens, sum(output_audio_tokens)::bigint AS output_audio_tokens,
sum(input_image_tokens)::bigint AS input_image_tokens, sum(cost_usd) AS cost_usd,
sum(estimated_cost_usd) AS estimated_cost_usd,
CASE WHEN count(latency_index) > 64
     THEN ledger.hist_compact(array_agg((latency_index::bigint << 40) + 1) FILTER (WHERE latency_index IS NOT NULL))
     ELSE coalesce(array_agg((latency_index::bigint << 40) + 1) FILTER (WHERE latency_index IS NOT NULL), '{}')
END AS latency_ms_hist,
CASE WHEN count(ttft_index) > 64
     THEN ledger.hist_compact(array_agg((ttft_index::bigint << 40) + 1) FILTER (WHERE ttft_index IS NOT NULL))
     ELSE coalesce(array_agg((ttft_index::bigint << 40) + 1) FILTER (WHERE ttft_index IS NOT NULL), '{}')
END AS ttft_ms_hist

-- name: fill_rollup_1h_by
-- The facts of the hour from $1 up to $2: users by themselves, of whom there are many; everything else first
-- together, which makes few groups, and then one by one.
WITH together AS MATERIALIZED (
  SELECT tenant_id, provider, model, operation, api_key_id, status, source, experiment_id, variant_id, prompt_version,
         {summing_calls}
    FROM ledger.counted_calls WHERE started_at >= $1 AND started_at < $2
   GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
), groups AS (
  SELECT 'user' AS dimension, user_id AS value, tenant_id, provider, model, operation, {summing_calls}
    FROM ledger.counted_calls WHERE started_at >= $1 AND started_at < $2
   GROUP BY 2, 3, 4, 5, 6
  UNION ALL
  SELECT d.dimension, d.value, tenant_id, provider, model, operation, {summing}
    FROM together,
         LATERAL (VALUES ('api_key', api_key_id), ('status', status), ('source', source), ('experiment', experiment_id),
                         ('variant', variant_id), ('prompt_version', prompt_version)) AS d (dimension, value)
   GROUP BY 1, 2, 3, 4, 5, 6
)
INSERT INTO ledger.rollup_1h_by
  (name, bucket, dimension, value, tenant_id, provider, model, operation, calls, errors, unpriced_calls, estimated_calls,
   not_sent_calls, uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
   output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, input_image_tokens, cost_usd,
   estimated_cost_usd, latency_ms_hist, ttft_ms_hist)
SELECT sha256(convert_to(jsonb_build_array(dimension, value, tenant_id, provider, model, operation)::text, 'UTF8')),
       $1, groups.*
  FROM groups

-- name: fill_rollup_1d_by
-- Adds the hours from $2 up to $3 to the day $1.
INSERT INTO ledger.rollup_1d_by AS r
  (name, bucket, dimension, value, tenant_id, provider, model, operation, calls, errors, unpriced_calls, estimated_calls,
   not_sent_calls, uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens,
   output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens, input_image_tokens, cost_usd,
   estimated_cost_usd, latency_ms_hist, ttft_ms_hist)
SELECT name, $1, dimension, value, tenant_id, provider, model, operation, {summing_hours}
  FROM ledger.rollup_1h_by WHERE bucket >= $2 AND bucket < $3
 GROUP BY name, dimension, value, tenant_id, provider, model, operation
ON CONFLICT (bucket, name) DO UPDATE SET
  calls = r.calls + excluded.calls,
  errors = r.errors + excluded.errors,
  unpriced_calls = r.unpriced_calls + excluded.unpriced_calls,
  estimated_calls = r.estimated_calls + excluded.estimated_calls,
  not_sent_calls = r.not_sent_calls + excluded.not_sent_calls,
  uncached_input_tokens = r.uncached_input_tokens + excluded.uncached_input_tokens,
  cache_read_tokens = r.cache_read_tokens + excluded.cache_read_tokens,
  cache_write_5m_tokens = r.cache_write_5m_tokens + excluded.cache_write_5m_tokens,
  cache_write_1h_tokens = r.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
  output_tokens = r.output_tokens + excluded.output_tokens,
  reasoning_tokens = r.reasoning_tokens + excluded.reasoning_tokens,
  input_audio_tokens = r.input_audio_tokens + excluded.input_audio_tokens,
  output_audio_tokens = r.output_audio_tokens + excluded.output_audio_tokens,
  input_image_tokens = r.input_image_tokens + excluded.input_image_tokens,
  cost_usd = r.cost_usd + excluded.cost_usd,
  estimated_cost_usd = r.estimated_cost_usd + excluded.estimated_cost_usd,
  latency_ms_hist = CASE WHEN cardinality(r.latency_ms_hist) + cardinality(excluded.latency_ms_hist) > 64
    THEN ledger.hist_merge(r.latency_ms_hist, excluded.latency_ms_hist)
    ELSE r.latency_ms_hist || excluded.latency_ms_hist END,
  ttft_ms_hist = CASE WHEN cardinality(r.ttft_ms_hist) + cardinality(excluded.ttft_ms_hist) > 64
    THEN ledger.hist_merge(r.ttft_ms_hist, excluded.ttft_ms_hist)
    ELSE r.ttft_ms_hist || excluded.ttft_ms_hist END

-- name: summing_users
-- As `summing`, without histograms.
sum(calls)::bigint, sum(errors)::bigint, sum(unpriced_calls)::bigint, sum(estimated_calls)::bigint,
sum(not_sent_calls)::bigint, sum(uncached_input_tokens)::bigint, sum(cache_read_tokens)::bigint,
sum(cache_write_5m_tokens)::bigint, sum(cache_write_1h_tokens)::bigint, sum(output_tokens)::bigint,
sum(reasoning_tokens)::bigint, sum(input_audio_tokens)::bigint, sum(output_audio_tokens)::bigint,
sum(input_image_tokens)::bigint, sum(cost_usd), sum(estimated_cost_usd)

-- name: fill_rollup_1d_users
-- The day from $1 on, as far as it is summed by user; $2 is not needed to know how far.
INSERT INTO ledger.rollup_1d_users
SELECT bucket, tenant_id, value, {summing_users}
  FROM ledger.rollup_1d_by WHERE bucket = $1 AND bucket < $2 AND dimension = 'user'
 GROUP BY bucket, tenant_id, value

-- name: fill_rollup_1w_users
-- The week from $1 up to $2, of its days.
INSERT INTO ledger.rollup_1w_users
SELECT $1, tenant_id, value, {summing_users}
  FROM ledger.rollup_1d_users WHERE bucket >= $1 AND bucket < $2
 GROUP BY tenant_id, value

-- name: fill_rollup_1h_parts
-- The facts of the hour from $1 up to $2: by everything, then of that by less.
WITH elements AS MATERIALIZED (
  SELECT tenant_id, provider, coalesce(response_model, request_model) AS model, operation, status, part,
         ledger.hist_index(ms)::bigint AS i, count(*) AS n, sum(ms) AS ms
    FROM ledger.call_parts WHERE started_at >= $1 AND started_at < $2
   GROUP BY 1, 2, 3, 4, 5, 6, 7
)
INSERT INTO ledger.rollup_1h_parts
SELECT $1, {kinds}, part, sum(ms), array_agg((i << 40) + n ORDER BY i)
  FROM (
    SELECT GROUPING(tenant_id, provider, status) AS over, tenant_id, provider, model, operation, status, part, i,
           sum(n)::bigint AS n, sum(ms) AS ms
      FROM elements
     GROUP BY GROUPING SETS ((part, i), (status, part, i), (tenant_id, part, i), (provider, model, operation, part, i),
                             (tenant_id, provider, model, operation, status, part, i))
  ) AS counted
 GROUP BY over, tenant_id, provider, model, operation, status, part

-- name: kinds
-- What is grouped by, from the bits of what is not, and its names.
CASE over WHEN 7 THEN 'all' WHEN 6 THEN 'statuses' WHEN 3 THEN 'tenants' WHEN 5 THEN 'models' ELSE 'cells' END,
coalesce(tenant_id, ''), coalesce(provider, ''), coalesce(model, ''), coalesce(operation, ''), coalesce(status, '')

-- name: fill_rollup_1d_parts
-- The day from $1 up to $2, of its hours.
INSERT INTO ledger.rollup_1d_parts
SELECT $1, kind, tenant_id, provider, model, operation, status, part, sum(ms), ledger.hist_union(ms_hist)
  FROM ledger.rollup_1h_parts WHERE bucket >= $1 AND bucket < $2
 GROUP BY kind, tenant_id, provider, model, operation, status, part

-- name: forget
-- Hours and days whose facts are no longer kept.
WITH oldest AS (
  SELECT date_trunc('day', min(range_start), 'UTC') AS day FROM timescaledb_information.chunks
   WHERE hypertable_schema = 'ledger' AND hypertable_name = 'calls'
), forgotten AS (
  DELETE FROM ledger.rolled r USING oldest
   WHERE r.sums IN ('rollup_1h_by', 'rollup_1d_by', 'rollup_1h_parts', 'rollup_1d_parts', 'rollup_1d_users',
                    'rollup_1w_users', 'waste_1d', 'waste_1d_after')
     AND r.bucket < oldest.day
), hours AS (
  DELETE FROM ledger.rollup_1h_by r USING oldest WHERE r.bucket < oldest.day
), hours_of_parts AS (
  DELETE FROM ledger.rollup_1h_parts r USING oldest WHERE r.bucket < oldest.day
), days_of_parts AS (
  DELETE FROM ledger.rollup_1d_parts r USING oldest WHERE r.bucket < oldest.day
), users AS (
  DELETE FROM ledger.rollup_1d_users r USING oldest WHERE r.bucket < oldest.day
), waste AS (
  DELETE FROM ledger.waste_1d r USING oldest WHERE r.bucket < oldest.day
), weeks AS (
  DELETE FROM ledger.rollup_1w_users r USING oldest WHERE r.bucket < oldest.day
)
DELETE FROM ledger.rollup_1d_by r USING oldest WHERE r.bucket < oldest.day
