-- What attempts cost that gave no answer, by why; each in one cause only. A call that was not sent is no attempt here.

-- name: wasted
-- $1, $2: period; $3: tenant, $4: model or null. The attempts after a call are looked for up to a day later.
WITH more AS (
  SELECT tenant_id, request_id, array_agg(attempt ORDER BY attempt) AS attempts,
         array_agg(provider ORDER BY attempt) AS providers
    FROM ledger.calls
   WHERE attempt > 1 AND status <> 'not_sent'
     AND ($1::timestamptz IS NULL OR started_at >= $1) AND ($2::timestamptz IS NULL OR started_at < $2 + interval '1 day')
     AND ($3::text IS NULL OR tenant_id = $3)
   GROUP BY tenant_id, request_id
), judged AS (
  SELECT c.*, coalesce(c.response_model, c.request_model) AS model,
         (SELECT u.provider FROM unnest(m.attempts, m.providers) AS u (attempt, provider)
           WHERE u.attempt > c.attempt ORDER BY u.attempt LIMIT 1) AS next_provider
    FROM ledger.calls c
    LEFT JOIN more m ON m.tenant_id = c.tenant_id AND m.request_id = c.request_id
   WHERE c.status <> 'not_sent' AND c.operation = 'chat'
     AND ($1::timestamptz IS NULL OR c.started_at >= $1) AND ($2::timestamptz IS NULL OR c.started_at < $2)
     AND ($3::text IS NULL OR c.tenant_id = $3)
     AND ($4::text IS NULL OR coalesce(c.response_model, c.request_model) = $4)
), wasted AS (
  SELECT *,
         CASE WHEN status = 'unknown' OR error_type = 'worker_lost' THEN 'worker_died'
              WHEN status = 'ok' AND cost_state = 'reconciled' THEN 'worker_died'
              WHEN status = 'ok' THEN 'answer_discarded'
              WHEN status = 'cancelled' OR error_type = 'cancelled' THEN 'abandoned'
              WHEN error_type = 'malformed_response' THEN 'malformed_answer'
              WHEN error_type = 'stream_cut' THEN 'stream_cut'
              WHEN error_type = 'timeout' THEN 'timeout'
              ELSE 'refused_or_failed' END AS cause
    FROM judged
   -- An answer that was given was timed by its worker; one that only the provider's export knows was given to nobody.
   WHERE status <> 'ok' OR next_provider IS NOT NULL
      OR (cost_state = 'reconciled' AND source = 'worker' AND total_ms IS NULL)
)
SELECT GROUPING({key}) AS grand, {key} AS key, count(*) AS calls,
       coalesce(sum(cost_usd), 0) AS cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE cost_state = 'estimated'), 0) AS estimated_cost_usd,
       count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_calls,
       coalesce(sum(cost_usd) FILTER (WHERE next_provider = provider), 0) AS retried_cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE next_provider <> provider), 0) AS fallback_cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE next_provider IS NULL), 0) AS given_up_cost_usd
  FROM wasted
 GROUP BY GROUPING SETS (({key}), ())
 ORDER BY grand DESC, cost_usd DESC, calls DESC, key
