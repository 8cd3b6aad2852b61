-- What is spent and served, and whether anything is wrong right now.

-- name: calls
SELECT coalesce(sum(calls), 0)::bigint AS calls
  FROM ledger.rollup_1m WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring})

-- name: cost
SELECT coalesce(sum(cost_usd), 0) AS cost_usd
  FROM ledger.rollup_1m WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring})

-- name: error_rate
SELECT sum(errors)::double precision / nullif(sum(calls), 0)::double precision AS error_rate
  FROM ledger.rollup_1m WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring})

-- name: p95
SELECT ledger.hist_quantile(array_agg(x), 0.95) AS p95_ms
  FROM ledger.rollup_1m, unnest(latency_ms_hist) AS x
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring})

-- name: in_flight
SELECT count(*) AS calls
  FROM journal.attempts WHERE open AND status = 'started' AND tenant_id IN (${tenant:sqlstring})

-- name: complete_until
-- Null while the ledger has not read every partition of its topic.
SELECT CASE WHEN count(*) = count(applied_until) THEN min(applied_until) END AS complete_until
  FROM (SELECT DISTINCT ON (topic, part) applied_until FROM ledger.sink_offsets
         WHERE sink = 'ledger' ORDER BY topic, part, log_epoch DESC) AS newest

-- name: calls_per_second
SELECT $__timeGroupAlias(bucket, $__interval), model AS metric,
       sum(calls) * 1000.0 / $__interval_ms AS "calls/s"
  FROM ledger.rollup_1m WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring})
 GROUP BY 1, 2 ORDER BY 1, 2

-- name: cost_over_time
SELECT $__timeGroupAlias(bucket, $__interval), model AS metric, sum(cost_usd) AS cost_usd
  FROM ledger.rollup_1m WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring})
 GROUP BY 1, 2 ORDER BY 1, 2

-- name: latency_over_time
SELECT $__timeGroupAlias(bucket, $__interval),
       ledger.hist_quantile(array_agg(x), 0.5) AS p50, ledger.hist_quantile(array_agg(x), 0.95) AS p95,
       ledger.hist_quantile(array_agg(x), 0.99) AS p99
  FROM ledger.rollup_1m, unnest(latency_ms_hist) AS x
 WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring})
 GROUP BY 1 ORDER BY 1

-- name: errors_over_time
SELECT $__timeGroupAlias(bucket, $__interval), provider AS metric,
       sum(errors)::double precision / nullif(sum(calls), 0)::double precision AS error_rate
  FROM ledger.rollup_1m WHERE $__timeFilter(bucket) AND tenant_id IN (${tenant:sqlstring})
 GROUP BY 1, 2 ORDER BY 1, 2

-- name: movers
-- Against the period of the same length before: what changed most.
WITH period AS (
  SELECT $__timeFrom()::timestamptz AS begins, $__timeTo()::timestamptz AS ends
), sums AS (
  SELECT r.tenant_id, r.provider, r.model,
         coalesce(sum(r.cost_usd) FILTER (WHERE r.bucket >= p.begins), 0) AS now_usd,
         coalesce(sum(r.cost_usd) FILTER (WHERE r.bucket < p.begins), 0) AS before_usd,
         coalesce(sum(r.calls) FILTER (WHERE r.bucket >= p.begins), 0)::bigint AS calls
    FROM ledger.rollup_1m r, period p
   WHERE r.bucket >= p.begins - (p.ends - p.begins) AND r.bucket < p.ends AND r.tenant_id IN (${tenant:sqlstring})
   GROUP BY 1, 2, 3
)
SELECT tenant_id AS tenant, provider, model, calls, now_usd AS cost_usd, before_usd AS before_usd,
       now_usd - before_usd AS difference_usd
  FROM sums ORDER BY abs(now_usd - before_usd) DESC, 1, 2, 3 LIMIT 20

-- name: standing_alerts
SELECT raised_at AS time, severity, kind, tenant_id AS tenant, subject, message
  FROM ledger.alerts WHERE resolved_at IS NULL AND tenant_id IN (${tenant:sqlstring})
 ORDER BY severity, raised_at DESC LIMIT 100
