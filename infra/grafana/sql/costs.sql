-- What calls cost, exact; what is estimated is a part of it, what has no price is missing from it.

-- name: total
SELECT coalesce(sum(cost_usd), 0) AS cost_usd
  FROM ledger.rollup_1m
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})

-- name: estimated
SELECT coalesce(sum(estimated_cost_usd), 0) AS estimated_cost_usd
  FROM ledger.rollup_1m
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})

-- name: unpriced
SELECT coalesce(sum(unpriced_calls), 0)::bigint AS unpriced_calls
  FROM ledger.rollup_1m
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})

-- name: adjusted
-- What providers billed beyond the calls, by whole days; a part of a day takes the whole.
SELECT coalesce(sum(amount_usd), 0) AS adjusted_usd
  FROM ledger.adjustments
 WHERE counts_on >= ($__timeFrom()::timestamptz AT TIME ZONE 'UTC')::date
   AND counts_on < $__timeTo()::timestamptz AT TIME ZONE 'UTC' AND tenant_id IN (${tenant:sqlstring})

-- name: per_hour
-- At the pace of the last ten minutes that are over.
SELECT coalesce(sum(cost_usd), 0) * 6 AS usd_per_hour
  FROM ledger.rollup_1m
 WHERE bucket >= date_trunc('minute', now()) - interval '10 minutes' AND bucket < date_trunc('minute', now())
   AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})

-- name: over_time
SELECT $__timeGroupAlias(bucket, $__interval),
       CASE ${group:sqlstring} WHEN 'tenant' THEN tenant_id WHEN 'provider' THEN provider
                               WHEN 'operation' THEN operation ELSE model END AS metric,
       sum(cost_usd) AS cost_usd
  FROM ledger.rollup_1m
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
 GROUP BY 1, 2 ORDER BY 1, 2

-- name: tokens_over_time
-- The buckets are disjoint; reasoning is a part of the output.
SELECT $__timeGroupAlias(bucket, $__interval),
       sum(uncached_input_tokens) AS uncached_input, sum(cache_read_tokens) AS cache_read,
       sum(cache_write_5m_tokens + cache_write_1h_tokens) AS cache_write, sum(output_tokens) AS output
  FROM ledger.rollup_1m
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
 GROUP BY 1 ORDER BY 1

-- name: by_model
SELECT provider, model, sum(calls)::bigint AS calls, sum(unpriced_calls)::bigint AS unpriced,
       sum(uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(cost_usd) AS cost_usd,
       sum(estimated_cost_usd) AS estimated_cost_usd, sum(cost_usd) / nullif(sum(calls), 0) AS usd_per_call
  FROM ledger.rollup_1m
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
 GROUP BY 1, 2 ORDER BY cost_usd DESC, 1, 2 LIMIT 100

-- name: by_tenant
SELECT tenant_id AS tenant, sum(calls)::bigint AS calls, sum(cost_usd) AS cost_usd,
       sum(estimated_cost_usd) AS estimated_cost_usd, sum(unpriced_calls)::bigint AS unpriced
  FROM ledger.rollup_1m
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
 GROUP BY 1 ORDER BY cost_usd DESC, 1 LIMIT 100

-- name: by_user
SELECT tenant_id AS tenant, coalesce(user_id, '') AS "user", sum(calls)::bigint AS calls, sum(cost_usd) AS cost_usd
  FROM ledger.counted_calls
 WHERE $__timeFilter(started_at) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
 GROUP BY 1, 2 ORDER BY cost_usd DESC, 1, 2 LIMIT 50

-- name: by_conversation
SELECT tenant_id AS tenant, conversation_id AS conversation, sum(calls)::bigint AS calls, sum(cost_usd) AS cost_usd
  FROM ledger.counted_calls
 WHERE $__timeFilter(started_at) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
   AND conversation_id IS NOT NULL
 GROUP BY 1, 2 ORDER BY cost_usd DESC, 1, 2 LIMIT 50

-- name: dearest_calls
SELECT started_at AS time, tenant_id AS tenant, coalesce(response_model, request_model) AS model, status,
       cost_usd, cost_state, output_tokens, total_ms, request_id::text, call_id::text
  FROM ledger.calls
 WHERE $__timeFilter(started_at) AND tenant_id IN (${tenant:sqlstring})
   AND coalesce(response_model, request_model) IN (${model:sqlstring}) AND cost_usd IS NOT NULL
 ORDER BY cost_usd DESC, started_at LIMIT 50

-- name: failed
-- Calls that gave no answer, by how they ended; `observatory waste` tells more of them apart.
SELECT status, coalesce(error_type, '') AS error, sum(1)::bigint AS calls, coalesce(sum(cost_usd), 0) AS cost_usd
  FROM ledger.calls
 WHERE $__timeFilter(started_at) AND tenant_id IN (${tenant:sqlstring})
   AND coalesce(response_model, request_model) IN (${model:sqlstring}) AND status NOT IN ('ok', 'not_sent')
 GROUP BY 1, 2 ORDER BY cost_usd DESC, 1, 2
