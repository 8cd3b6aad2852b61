-- What attempts cost that gave no answer, by why; each in one cause only. A call that was not sent is no attempt here.
-- Statements are put together of these parts: calls that tell of waste (`telling`), what became of their requests
-- (`judged`), and the wasted ones with their causes (`caused`).

-- name: telling
-- {where}: when they began, and whose they are.
SELECT started_at, tenant_id, request_id, attempt, status, error_type, operation, provider, request_model,
       response_model, source, cost_usd, cost_state, total_ms
  FROM ledger.calls
 WHERE (attempt > 1 OR status <> 'ok' OR cost_state = 'reconciled') AND {where}

-- name: known
-- Calls that went well and were followed by another attempt, with their times.
SELECT started_at, tenant_id, request_id, attempt, status, error_type, operation, provider, request_model,
       response_model, source, cost_usd, cost_state, total_ms
  FROM ledger.calls JOIN unnest({ids}, {times}) AS known (call_id, started_at) USING (call_id, started_at)

-- name: judged
-- Of a request those that were sent first, one after the other. The attempt after a call began within a day after it.
SELECT *,
       CASE WHEN lead(status) OVER attempts <> 'not_sent'
                 AND lead(started_at) OVER attempts < started_at + interval '1 day'
            THEN lead(provider) OVER attempts END AS next_provider,
       min(attempt) OVER request > 1 AND lag(attempt) OVER attempts IS NULL AS follows_unknown
  FROM telling
WINDOW request AS (PARTITION BY request_id, tenant_id),
       attempts AS (PARTITION BY request_id, tenant_id ORDER BY status = 'not_sent', attempt)

-- name: caused
SELECT started_at, tenant_id, provider, coalesce(response_model, request_model) AS model, cost_usd, cost_state,
       next_provider,
       CASE WHEN status = 'unknown' OR error_type = 'worker_lost' THEN 'worker_died'
            WHEN status = 'ok' AND cost_state = 'reconciled' THEN 'worker_died'
            WHEN status = 'ok' THEN 'answer_discarded'
            WHEN status = 'cancelled' OR error_type = 'cancelled' THEN 'abandoned'
            WHEN error_type = 'malformed_response' THEN 'malformed_answer'
            WHEN error_type = 'stream_cut' THEN 'stream_cut'
            WHEN error_type = 'timeout' THEN 'timeout'
            ELSE 'refused_or_failed' END AS cause
  FROM judged
 WHERE status <> 'not_sent' AND operation = 'chat'
   -- An answer that was given was timed by its worker; one that only the provider's export knows was given to nobody.
   AND (status <> 'ok' OR next_provider IS NOT NULL
        OR (cost_state = 'reconciled' AND source = 'worker' AND total_ms IS NULL))

-- name: sums
tenant_id, provider, model, cause, count(*) AS calls, coalesce(sum(cost_usd), 0) AS cost_usd,
coalesce(sum(cost_usd) FILTER (WHERE cost_state = 'estimated'), 0) AS estimated_cost_usd,
count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls,
coalesce(sum(cost_usd) FILTER (WHERE next_provider = provider), 0) AS retried_cost_usd,
coalesce(sum(cost_usd) FILTER (WHERE next_provider <> provider), 0) AS fallback_cost_usd,
coalesce(sum(cost_usd) FILTER (WHERE next_provider IS NULL), 0) AS given_up_cost_usd

-- name: held_days
-- Days from $1 to $2 whose sums hold: neither they nor the days after them, in which their requests went on, have changed.
SELECT d.bucket
  FROM ledger.rolled d JOIN ledger.rolled a ON a.bucket = d.bucket + interval '1 day' AND a.sums = 'waste_1d_after'
 WHERE d.sums = 'waste_1d' AND d.until > d.bucket AND a.until > a.bucket
   AND d.bucket >= $1 AND d.bucket + interval '1 day' <= $2

-- name: wasted
-- The groups by {keys}, their total first. With the total comes an attempt of each request whose first is not known: that
-- one may have gone well.
WITH telling AS (
  {telling}
), judged AS MATERIALIZED (
  {judged}
), caused AS (
  {caused}
), found AS (
  SELECT {sums}
    FROM caused WHERE ({judged_in}) AND {chosen} GROUP BY tenant_id, provider, model, cause
  UNION ALL
  SELECT tenant_id, provider, model, cause, calls, cost_usd, estimated_cost_usd, unpriced_calls, retried_cost_usd,
         fallback_cost_usd, given_up_cost_usd
    FROM ledger.waste_1d WHERE {days} AND {chosen}
), following AS (
  SELECT array_agg(tenant_id) AS tenants, array_agg(request_id) AS requests, array_agg(started_at) AS times
    FROM judged WHERE follows_unknown
)
SELECT GROUPING({keys}) AS grand, ARRAY[{keys}] AS key, coalesce(sum(calls), 0)::bigint AS calls,
       coalesce(sum(cost_usd), 0) AS cost_usd, coalesce(sum(estimated_cost_usd), 0) AS estimated_cost_usd,
       coalesce(sum(unpriced_calls), 0)::bigint AS unpriced_calls,
       coalesce(sum(retried_cost_usd), 0) AS retried_cost_usd, coalesce(sum(fallback_cost_usd), 0) AS fallback_cost_usd,
       coalesce(sum(given_up_cost_usd), 0) AS given_up_cost_usd,
       CASE WHEN GROUPING({keys}) > 0 THEN (SELECT tenants FROM following) END AS tenants,
       CASE WHEN GROUPING({keys}) > 0 THEN (SELECT requests FROM following) END AS requests,
       CASE WHEN GROUPING({keys}) > 0 THEN (SELECT times FROM following) END AS times
  FROM found
 GROUP BY GROUPING SETS (({keys}), ())
 ORDER BY grand DESC, cost_usd DESC, calls DESC, key

-- name: went_well
-- $1, $2, $3: tenants, requests and times of attempts: the first attempts that went well and began at most $5 before them,
-- and at least $6 before (negative: that long after, at most), from the times $4 on.
SELECT c.request_id, c.call_id, c.started_at
  FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::timestamptz[]) AS following (tenant_id, request_id, at, since)
 CROSS JOIN LATERAL (
   SELECT request_id, call_id, started_at FROM ledger.calls
    WHERE started_at >= greatest(following.at - $5::interval, following.since)
      AND started_at < following.at - $6::interval
      AND tenant_id = following.tenant_id AND request_id = following.request_id
      AND status = 'ok' AND attempt = 1 AND cost_state <> 'reconciled') AS c

-- name: clear_day
DELETE FROM ledger.waste_1d WHERE bucket = $1

-- name: following
-- As `wasted`: an attempt of each request whose first is not known.
WITH telling AS (
  {telling}
), judged AS (
  {judged}
)
SELECT tenant_id, request_id, started_at FROM judged WHERE follows_unknown

-- name: fill_day
-- What was wasted in the day from {day} on.
WITH telling AS (
  {telling}
), judged AS (
  {judged}
), caused AS (
  {caused}
)
INSERT INTO ledger.waste_1d
SELECT {day}, {sums} FROM caused WHERE {judged_in} GROUP BY tenant_id, provider, model, cause
