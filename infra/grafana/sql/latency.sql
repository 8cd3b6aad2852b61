-- How long calls take, and where the time goes. Percentiles are at most 1.09 % off.

-- name: percentiles
SELECT $__timeGroupAlias(bucket, $__interval),
       ledger.hist_quantile(array_agg(x), 0.5) AS p50, ledger.hist_quantile(array_agg(x), 0.9) AS p90,
       ledger.hist_quantile(array_agg(x), 0.95) AS p95, ledger.hist_quantile(array_agg(x), 0.99) AS p99
  FROM ledger.rollup_1m, unnest(latency_ms_hist) AS x
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
 GROUP BY 1 ORDER BY 1

-- name: first_token
SELECT $__timeGroupAlias(bucket, $__interval),
       ledger.hist_quantile(array_agg(x), 0.5) AS p50, ledger.hist_quantile(array_agg(x), 0.95) AS p95,
       ledger.hist_quantile(array_agg(x), 0.99) AS p99
  FROM ledger.rollup_1m, unnest(ttft_ms_hist) AS x
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
 GROUP BY 1 ORDER BY 1

-- name: p95_by_model
SELECT $__timeGroupAlias(bucket, $__interval), model AS metric, ledger.hist_quantile(array_agg(x), 0.95) AS p95_ms
  FROM ledger.rollup_1m, unnest(latency_ms_hist) AS x
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
 GROUP BY 1, 2 ORDER BY 1, 2

-- name: distribution
-- How many calls ended in each half-octave, named by its upper bound in ms.
SELECT $__timeGroupAlias(bucket, $__interval), round(power(2::numeric, (i + 1) / 2.0))::text AS metric, sum(n) AS calls
  FROM (SELECT bucket, (((x + 549755813888) >> 40) + 1024) / 16 - 64 AS i,
               x - (((x + 549755813888) >> 40) << 40) AS n
          FROM ledger.rollup_1m, unnest(latency_ms_hist) AS x
         WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})) AS cells
 WHERE i >= 0
 GROUP BY 1, i ORDER BY 1, i

-- name: parts
-- The mean of each part: waiting for a slot, policy (budget, prices), to the first token, from there to the last.
SELECT $__timeGroupAlias(started_at, $__interval), avg(queue_ms) AS queue, avg(policy_ms) AS policy,
       avg(coalesce(ttft_ms, total_ms)) AS first_token, avg(total_ms - coalesce(ttft_ms, total_ms)) AS streaming
  FROM ledger.calls
 WHERE $__timeFilter(started_at) AND tenant_id IN (${tenant:sqlstring})
   AND coalesce(response_model, request_model) IN (${model:sqlstring}) AND status <> 'not_sent'
 GROUP BY 1 ORDER BY 1

-- name: by_provider
SELECT s.provider, s.model, s.calls, s.errors, l.p50_ms, l.p95_ms, l.p99_ms, t.ttft_p50_ms, t.ttft_p95_ms
  FROM (SELECT provider, model, sum(calls)::bigint AS calls, sum(errors)::bigint AS errors
          FROM ledger.rollup_1m
         WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
         GROUP BY 1, 2) AS s
  LEFT JOIN (SELECT provider, model, ledger.hist_quantile(array_agg(x), 0.5) AS p50_ms,
                    ledger.hist_quantile(array_agg(x), 0.95) AS p95_ms, ledger.hist_quantile(array_agg(x), 0.99) AS p99_ms
               FROM ledger.rollup_1m, unnest(latency_ms_hist) AS x
              WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
              GROUP BY 1, 2) AS l USING (provider, model)
  LEFT JOIN (SELECT provider, model, ledger.hist_quantile(array_agg(x), 0.5) AS ttft_p50_ms,
                    ledger.hist_quantile(array_agg(x), 0.95) AS ttft_p95_ms
               FROM ledger.rollup_1m, unnest(ttft_ms_hist) AS x
              WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring}) AND model IN (${model:sqlstring})
              GROUP BY 1, 2) AS t USING (provider, model)
 ORDER BY s.calls DESC, 1, 2 LIMIT 100

-- name: slowest_calls
SELECT started_at AS time, tenant_id AS tenant, provider, coalesce(response_model, request_model) AS model, status,
       total_ms, queue_ms, policy_ms, ttft_ms, output_tokens, request_id::text, call_id::text
  FROM ledger.calls
 WHERE $__timeFilter(started_at) AND tenant_id IN (${tenant:sqlstring})
   AND coalesce(response_model, request_model) IN (${model:sqlstring}) AND total_ms IS NOT NULL
 ORDER BY total_ms DESC, started_at LIMIT 50

-- name: provider_health
SELECT provider, coalesce(state #>> '{state,health,state}', 'healthy') AS state, to_timestamp(measured_until) AS measured_until
  FROM streams.provider_health ORDER BY provider
