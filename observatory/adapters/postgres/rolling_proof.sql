-- name: rolled_differences
-- Hours and days that hold, from $1 on, against what they sum: hours, days and totals of both against the minutes, hours
-- and days by user against the facts, by anything else against all facts of their group. The first $2 differences and how many
-- there are.
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
