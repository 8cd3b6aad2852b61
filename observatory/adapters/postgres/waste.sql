-- What attempts cost that gave no answer, by why; each in one cause only. A call that was not sent is no attempt here.

-- name: wasted
-- $1, $2: period; $3: tenant, $4: model or null; $5, $6: calls of the period that went well and were followed by another
-- attempt, with their times, as far as they are known. The attempts after a call are looked for up to a day later.
-- With the total comes an attempt of each request whose first is not known: that one may have gone well.
WITH telling AS (
  SELECT started_at, tenant_id, request_id, attempt, status, error_type, operation, provider, request_model,
         response_model, source, cost_usd, cost_state, total_ms
    FROM ledger.calls
   WHERE (attempt > 1 OR status <> 'ok' OR cost_state = 'reconciled')
     AND ($1::timestamptz IS NULL OR started_at >= $1) AND ($2::timestamptz IS NULL OR started_at < $2 + interval '1 day')
     AND ($3::text IS NULL OR tenant_id = $3)
  UNION ALL
  SELECT started_at, tenant_id, request_id, attempt, status, error_type, operation, provider, request_model,
         response_model, source, cost_usd, cost_state, total_ms
    FROM ledger.calls JOIN unnest($5::uuid[], $6::timestamptz[]) AS known (call_id, started_at) USING (call_id, started_at)
), judged AS MATERIALIZED (
  -- Of a request those that were sent first, one after the other.
  SELECT *, CASE WHEN lead(status) OVER attempts <> 'not_sent' THEN lead(provider) OVER attempts END AS next_provider,
         min(attempt) OVER request > 1 AND lag(attempt) OVER attempts IS NULL AS follows_unknown
    FROM telling
  WINDOW request AS (PARTITION BY request_id, tenant_id),
         attempts AS (PARTITION BY request_id, tenant_id ORDER BY status = 'not_sent', attempt)
), wasted AS (
  SELECT tenant_id, provider, coalesce(response_model, request_model) AS model, cost_usd, cost_state, next_provider,
         CASE WHEN status = 'unknown' OR error_type = 'worker_lost' THEN 'worker_died'
              WHEN status = 'ok' AND cost_state = 'reconciled' THEN 'worker_died'
              WHEN status = 'ok' THEN 'answer_discarded'
              WHEN status = 'cancelled' OR error_type = 'cancelled' THEN 'abandoned'
              WHEN error_type = 'malformed_response' THEN 'malformed_answer'
              WHEN error_type = 'stream_cut' THEN 'stream_cut'
              WHEN error_type = 'timeout' THEN 'timeout'
              ELSE 'refused_or_failed' END AS cause
    FROM judged
   WHERE status <> 'not_sent' AND operation = 'chat' AND ($2::timestamptz IS NULL OR started_at < $2)
     AND ($4::text IS NULL OR coalesce(response_model, request_model) = $4)
     -- An answer that was given was timed by its worker; one that only the provider's export knows was given to nobody.
     AND (status <> 'ok' OR next_provider IS NOT NULL
          OR (cost_state = 'reconciled' AND source = 'worker' AND total_ms IS NULL))
), following AS (
  SELECT array_agg(tenant_id) AS tenants, array_agg(request_id) AS requests, array_agg(started_at) AS times
    FROM judged WHERE follows_unknown
)
SELECT GROUPING({key}) AS grand, {key} AS key, count(*) AS calls,
       coalesce(sum(cost_usd), 0) AS cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE cost_state = 'estimated'), 0) AS estimated_cost_usd,
       count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls,
       coalesce(sum(cost_usd) FILTER (WHERE next_provider = provider), 0) AS retried_cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE next_provider <> provider), 0) AS fallback_cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE next_provider IS NULL), 0) AS given_up_cost_usd,
       CASE WHEN GROUPING({key}) = 1 THEN (SELECT tenants FROM following) END AS tenants,
       CASE WHEN GROUPING({key}) = 1 THEN (SELECT requests FROM following) END AS requests,
       CASE WHEN GROUPING({key}) = 1 THEN (SELECT times FROM following) END AS times
  FROM wasted
 GROUP BY GROUPING SETS (({key}), ())
 ORDER BY grand DESC, cost_usd DESC, calls DESC, key

-- name: went_well
-- $1, $2: period; $3, $4, $5: tenants, requests and times of attempts: the first attempts that went well and began at most
-- $6 before them, and at least $7 before (negative: that long after, at most).
SELECT c.request_id, c.call_id, c.started_at
  FROM unnest($3::text[], $4::uuid[], $5::timestamptz[]) AS following (tenant_id, request_id, at)
 CROSS JOIN LATERAL (
   SELECT request_id, call_id, started_at FROM ledger.calls
    WHERE started_at >= greatest(following.at - $6::interval, $1::timestamptz)
      AND started_at < least(following.at - $7::interval, $2::timestamptz)
      AND tenant_id = following.tenant_id AND request_id = following.request_id
      AND status = 'ok' AND attempt = 1 AND cost_state <> 'reconciled') AS c
