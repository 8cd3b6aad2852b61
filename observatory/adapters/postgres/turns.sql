-- Conversations turn by turn.

-- name: conversation
-- What its calls add up to, those that were sent, and when all of them began. $2: the tenant, or null for any.
SELECT count(DISTINCT (tenant_id, request_id)) FILTER (WHERE status <> 'not_sent') AS turns,
       count(*) FILTER (WHERE status <> 'not_sent') AS calls, count(*) FILTER (WHERE status = 'error') AS errors,
       count(*) FILTER (WHERE status <> 'not_sent' AND cost_usd IS NULL) AS unpriced_calls,
       coalesce(sum(coalesce(uncached_input_tokens, 0) + coalesce(cache_read_tokens, 0)
         + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) + coalesce(input_audio_tokens, 0)
         + coalesce(input_image_tokens, 0) + coalesce(output_tokens, 0) + coalesce(output_audio_tokens, 0))
         FILTER (WHERE status <> 'not_sent'), 0)::bigint AS tokens,
       min(started_at) FILTER (WHERE status <> 'not_sent') AS first_activity,
       max(started_at) FILTER (WHERE status <> 'not_sent') AS last_activity,
       coalesce(sum(cost_usd) FILTER (WHERE status <> 'not_sent'), 0) AS cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE status <> 'not_sent' AND cost_state = 'estimated'), 0) AS estimated_cost_usd,
       min(started_at) AS first_at, max(started_at) AS last_at
  FROM ledger.calls
 WHERE conversation_id = $1 AND ($2::text IS NULL OR tenant_id = $2)

-- name: turns
-- The calls of a page of requests, the earliest request first. $2: the tenant, or null for any; $3, $4: the last request
-- of the page before; $5: how many; $6, $7: when its first and its last call began.
WITH page AS (
  SELECT tenant_id, request_id, min(started_at) AS began,
         coalesce(sum(cost_usd) FILTER (WHERE status <> 'not_sent'), 0) AS turn_usd,
         count(*) FILTER (WHERE status <> 'not_sent' AND cost_usd IS NULL) AS turn_unpriced
    FROM ledger.calls
   WHERE conversation_id = $1 AND ($2::text IS NULL OR tenant_id = $2) AND started_at BETWEEN $6 AND $7
   GROUP BY tenant_id, request_id
  HAVING $3::timestamptz IS NULL OR (min(started_at), request_id) > ($3, $4::uuid)
   ORDER BY began, request_id LIMIT $5)
SELECT began, turn_usd, turn_unpriced, {columns}
  FROM ledger.calls AS c JOIN page AS p USING (tenant_id, request_id)
 WHERE conversation_id = $1 AND started_at BETWEEN $6 AND $7
 ORDER BY began, request_id, attempt, started_at
