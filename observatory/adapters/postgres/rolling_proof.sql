-- name: rolled_differences
-- Hours, days and weeks that hold, from $1 on, against what they sum: hours, days and totals of both against the minutes,
-- what is by user against the facts, by anything else against all facts of their group. The first $2 differences and how
-- many there are.
WITH held AS (
  SELECT sums, bucket, until FROM ledger.rolled WHERE until > bucket AND bucket >= $1
), hours AS (
  SELECT date_trunc('hour', bucket, 'UTC') AS bucket, tenant_id, provider, model, operation,
         sum(calls)::bigint AS calls, sum(errors)::bigint AS errors, sum(not_sent_calls)::bigint AS not_sent,
         sum(cost_usd) AS cost_usd, sum({tokens})::bigint AS tokens
    FROM ledger.rollup_1m WHERE bucket >= $1
   GROUP BY 1, 2, 3, 4, 5
), hourly AS (
  SELECT date_trunc('hour', started_at, 'UTC') AS hour, user_id, tenant_id, provider, model, operation,
         sum(calls)::bigint AS calls, sum(errors)::bigint AS errors, sum(not_sent_calls)::bigint AS not_sent,
         sum(cost_usd) AS cost_usd, sum({tokens})::bigint AS tokens
    FROM ledger.counted_calls WHERE started_at >= $1
   GROUP BY 1, 2, 3, 4, 5, 6
), facts AS (
  SELECT h.sums, h.bucket, c.user_id, c.tenant_id, c.provider, c.model, c.operation, sum(calls)::bigint AS calls,
         sum(errors)::bigint AS errors, sum(not_sent)::bigint AS not_sent, sum(cost_usd) AS cost_usd,
         sum(tokens)::bigint AS tokens
    FROM (SELECT *, unnest(ARRAY['rollup_1h_by', 'rollup_1d_by']) AS by,
                 unnest(ARRAY[hour, date_trunc('day', hour, 'UTC')]) AS start FROM hourly) AS c
    JOIN held h ON h.sums = c.by AND h.bucket = c.start AND c.hour < h.until
   GROUP BY 1, 2, 3, 4, 5, 6, 7
), users AS (
  SELECT h.sums, h.bucket, c.user_id, c.tenant_id, sum(calls)::bigint AS calls, sum(errors)::bigint AS errors,
         sum(not_sent)::bigint AS not_sent, sum(cost_usd) AS cost_usd, sum(tokens)::bigint AS tokens
    FROM (SELECT *, unnest(ARRAY['rollup_1d_users', 'rollup_1w_users']) AS by,
                 unnest(ARRAY[date_trunc('day', hour, 'UTC'), date_trunc('week', hour, 'UTC')]) AS start
            FROM hourly) AS c
    JOIN held h ON h.sums = c.by AND h.bucket = c.start AND c.hour < h.until
   GROUP BY 1, 2, 3, 4
), wanted AS (
  SELECT h.sums, h.bucket, NULL AS dimension, NULL AS value, tenant_id, provider, model, operation, calls, errors,
         not_sent, cost_usd, tokens
    FROM hours JOIN held h USING (bucket) WHERE h.sums = 'rollup_1h'
  UNION ALL
  SELECT h.sums, h.bucket, NULL, NULL, tenant_id, provider, model, operation, sum(calls)::bigint,
         sum(errors)::bigint, sum(not_sent)::bigint, sum(cost_usd), sum(tokens)::bigint
    FROM hours m JOIN held h ON h.bucket = date_trunc('day', m.bucket, 'UTC') WHERE h.sums = 'rollup_1d'
   GROUP BY 1, 2, 5, 6, 7, 8
  UNION ALL
  SELECT h.sums, h.bucket, t.kind, NULL, t.tenant_id, t.provider, t.model, t.operation, sum(calls)::bigint,
         sum(errors)::bigint, sum(not_sent)::bigint, sum(cost_usd), sum(tokens)::bigint
    FROM (SELECT *, unnest(ARRAY['rollup_1h_totals', 'rollup_1d_totals']) AS totals,
                 unnest(ARRAY[bucket, date_trunc('day', bucket, 'UTC')]) AS start FROM hours) AS m
    JOIN held h ON h.sums = m.totals AND h.bucket = m.start,
         LATERAL (VALUES ('models', '', m.provider, m.model, m.operation), ('tenants', m.tenant_id, '', '', ''),
                         ('all', '', '', '', ''))
           AS t (kind, tenant_id, provider, model, operation)
   GROUP BY 1, 2, 3, 5, 6, 7, 8
  UNION ALL
  SELECT sums, bucket, 'user', user_id, tenant_id, provider, model, operation, calls, errors, not_sent,
         cost_usd, tokens
    FROM facts
  UNION ALL
  SELECT sums, bucket, NULL, user_id, tenant_id, NULL, NULL, NULL, calls, errors, not_sent, cost_usd, tokens FROM users
  UNION ALL
  SELECT sums, bucket, dimension, NULL, tenant_id, provider, model, operation, sum(calls)::bigint,
         sum(errors)::bigint, sum(not_sent)::bigint, sum(cost_usd), sum(tokens)::bigint
    FROM facts, unnest(ARRAY['api_key', 'status', 'source', 'experiment', 'variant', 'prompt_version']) AS dimension
   GROUP BY sums, bucket, dimension, tenant_id, provider, model, operation
), found AS (
  SELECT h.sums, bucket, NULL AS dimension, NULL AS value, tenant_id, provider, model, operation, calls, errors,
         not_sent_calls AS not_sent, cost_usd, {tokens} AS tokens
    FROM ledger.rollup_1h JOIN held h USING (bucket) WHERE h.sums = 'rollup_1h'
  UNION ALL
  SELECT h.sums, bucket, NULL, NULL, tenant_id, provider, model, operation, calls, errors, not_sent_calls, cost_usd,
         {tokens}
    FROM ledger.rollup_1d JOIN held h USING (bucket) WHERE h.sums = 'rollup_1d'
  UNION ALL
  SELECT h.sums, bucket, kind, NULL, tenant_id, provider, model, operation, calls, errors, not_sent_calls, cost_usd,
         {tokens}
    FROM ledger.rollup_1h_totals JOIN held h USING (bucket) WHERE h.sums = 'rollup_1h_totals'
  UNION ALL
  SELECT h.sums, bucket, kind, NULL, tenant_id, provider, model, operation, calls, errors, not_sent_calls, cost_usd,
         {tokens}
    FROM ledger.rollup_1d_totals JOIN held h USING (bucket) WHERE h.sums = 'rollup_1d_totals'
  UNION ALL
  SELECT h.sums, bucket, dimension, CASE WHEN dimension = 'user' THEN value END, tenant_id, provider, model, operation,
         sum(calls)::bigint, sum(errors)::bigint, sum(not_sent_calls)::bigint, sum(cost_usd), sum({tokens})::bigint
    FROM ledger.rollup_1d_by JOIN held h USING (bucket) WHERE h.sums = 'rollup_1d_by'
   GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
  UNION ALL
  SELECT h.sums, bucket, dimension, CASE WHEN dimension = 'user' THEN value END, tenant_id, provider, model, operation,
         sum(calls)::bigint, sum(errors)::bigint, sum(not_sent_calls)::bigint, sum(cost_usd), sum({tokens})::bigint
    FROM ledger.rollup_1h_by JOIN held h USING (bucket) WHERE h.sums = 'rollup_1h_by'
   GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
  UNION ALL
  SELECT h.sums, bucket, NULL, value, tenant_id, NULL, NULL, NULL, calls, errors, not_sent_calls, cost_usd, {tokens}
    FROM ledger.rollup_1d_users JOIN held h USING (bucket) WHERE h.sums = 'rollup_1d_users'
  UNION ALL
  SELECT h.sums, bucket, NULL, value, tenant_id, NULL, NULL, NULL, calls, errors, not_sent_calls, cost_usd, {tokens}
    FROM ledger.rollup_1w_users JOIN held h USING (bucket) WHERE h.sums = 'rollup_1w_users'
), sides AS (
  SELECT 1 AS side, * FROM found UNION ALL SELECT -1, * FROM wanted
)
SELECT sums, bucket, dimension, value, tenant_id, provider, model, operation,
       coalesce(sum(calls) FILTER (WHERE side = 1), 0)::bigint AS calls,
       coalesce(sum(calls) FILTER (WHERE side = -1), 0)::bigint AS should_be_calls,
       coalesce(sum(cost_usd) FILTER (WHERE side = 1), 0) AS cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE side = -1), 0) AS should_be_cost_usd,
       coalesce(sum(tokens) FILTER (WHERE side = 1), 0)::bigint AS tokens,
       coalesce(sum(tokens) FILTER (WHERE side = -1), 0)::bigint AS should_be_tokens,
       count(*) OVER () AS total
  FROM sides
 GROUP BY sums, bucket, dimension, value, tenant_id, provider, model, operation
HAVING sum(side * calls) <> 0 OR sum(side * errors) <> 0 OR sum(side * not_sent) <> 0 OR sum(side * cost_usd) <> 0
    OR sum(side * tokens) <> 0
 ORDER BY sums, bucket, dimension, value, tenant_id, provider, model, operation
 LIMIT $2

-- name: parts_differences
-- Hours and days of the parts of calls' time that hold, from $1 on, against the facts: how many calls tell of a part, how
-- long it was, to the ten billionth part, and the sum of its histogram's buckets. As above.
WITH held AS (
  SELECT sums, bucket FROM ledger.rolled
   WHERE until > bucket AND bucket >= $1 AND sums IN ('rollup_1h_parts', 'rollup_1d_parts')
), hourly AS (
  SELECT date_trunc('hour', started_at, 'UTC') AS hour, tenant_id, provider,
         coalesce(response_model, request_model) AS model, operation, status, part, count(*) AS calls, sum(ms) AS ms,
         sum(ledger.hist_index(ms))::bigint AS buckets
    FROM ledger.call_parts WHERE started_at >= $1
   GROUP BY 1, 2, 3, 4, 5, 6, 7
), wanted AS (
  SELECT h.sums, h.bucket, k.kind, k.tenant_id, k.provider, k.model, k.operation, k.status, part,
         sum(calls)::bigint AS calls, sum(ms) AS ms, sum(buckets)::bigint AS buckets
    FROM (SELECT *, unnest(ARRAY['rollup_1h_parts', 'rollup_1d_parts']) AS by,
                 unnest(ARRAY[hour, date_trunc('day', hour, 'UTC')]) AS start FROM hourly) AS p
    JOIN held h ON h.sums = p.by AND h.bucket = p.start,
         LATERAL (VALUES ('cells', p.tenant_id, p.provider, p.model, p.operation, p.status),
                         ('models', '', p.provider, p.model, p.operation, ''), ('tenants', p.tenant_id, '', '', '', ''),
                         ('statuses', '', '', '', '', p.status), ('all', '', '', '', '', ''))
           AS k (kind, tenant_id, provider, model, operation, status)
   GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
), found AS (
  SELECT h.sums, s.*, ledger.hist_count(s.ms_hist) AS calls,
         (SELECT sum(i * (x - (i << 40))) FROM unnest(s.ms_hist) AS x, LATERAL (SELECT (x + 549755813888) >> 40 AS i) AS b)
           AS buckets
    FROM (SELECT 'rollup_1h_parts' AS by, * FROM ledger.rollup_1h_parts
          UNION ALL
          SELECT 'rollup_1d_parts', * FROM ledger.rollup_1d_parts) AS s
    JOIN held h ON h.sums = s.by AND h.bucket = s.bucket
)
SELECT sums, bucket, kind, tenant_id, provider, model, operation, status, part, coalesce(f.calls, 0) AS calls,
       coalesce(w.calls, 0) AS should_be_calls, f.ms, w.ms AS should_be_ms, count(*) OVER () AS total
  FROM found f FULL JOIN wanted w USING (sums, bucket, kind, tenant_id, provider, model, operation, status, part)
 WHERE f.calls IS DISTINCT FROM w.calls OR f.buckets IS DISTINCT FROM w.buckets OR f.ms IS NULL OR w.ms IS NULL
    OR abs(f.ms - w.ms) > 1e-10 * w.ms
 ORDER BY sums, bucket, kind, tenant_id, provider, model, operation, status, part
 LIMIT $2

-- name: waste_differences
-- Days of waste that hold, from $1 on, against the facts, where every first attempt of a request that went on is known. As
-- above.
WITH held AS (
  SELECT d.bucket
    FROM ledger.rolled d JOIN ledger.rolled a ON a.bucket = d.bucket + interval '1 day' AND a.sums = 'waste_1d_after'
   WHERE d.sums = 'waste_1d' AND d.until > d.bucket AND a.until > a.bucket AND d.bucket >= $1
), telling AS (
  SELECT * FROM ledger.calls AS c
   WHERE started_at >= $1
     AND (attempt > 1 OR status <> 'ok' OR cost_state = 'reconciled' OR (tenant_id, request_id) IN (
       SELECT tenant_id, request_id FROM ledger.calls WHERE started_at >= $1 AND attempt > 1))
), judged AS (
  {judged}
), caused AS (
  {caused}
), wanted AS (
  SELECT date_trunc('day', started_at, 'UTC') AS bucket, {sums}
    FROM caused GROUP BY date_trunc('day', started_at, 'UTC'), tenant_id, provider, model, cause
), sides AS (
  SELECT 1 AS side, * FROM ledger.waste_1d UNION ALL SELECT -1, * FROM wanted
)
SELECT 'waste_1d' AS sums, bucket, tenant_id, provider, model, cause,
       coalesce(sum(calls) FILTER (WHERE side = 1), 0)::bigint AS calls,
       coalesce(sum(calls) FILTER (WHERE side = -1), 0)::bigint AS should_be_calls,
       coalesce(sum(cost_usd) FILTER (WHERE side = 1), 0) AS cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE side = -1), 0) AS should_be_cost_usd, count(*) OVER () AS total
  FROM sides JOIN held USING (bucket)
 GROUP BY bucket, tenant_id, provider, model, cause
HAVING sum(side * calls) <> 0 OR sum(side * cost_usd) <> 0 OR sum(side * estimated_cost_usd) <> 0
    OR sum(side * unpriced_calls) <> 0 OR sum(side * retried_cost_usd) <> 0 OR sum(side * fallback_cost_usd) <> 0
    OR sum(side * given_up_cost_usd) <> 0
 ORDER BY bucket, tenant_id, provider, model, cause
 LIMIT $2
