-- name: page
-- Facts of a period with all that is asked for, in an order; `position` is by what they are ordered before their ids.
SELECT {position} AS position, {columns}
  FROM ledger.calls AS c
 WHERE started_at >= $1 AND started_at < $2 AND {where}
 ORDER BY {by}
 LIMIT $3

-- name: of_request
-- All calls of one request, by attempt; $3, $4: between which times they began.
SELECT {columns} FROM ledger.calls AS c
 WHERE request_id = $1 AND tenant_id = $2 AND started_at BETWEEN $3 AND $4
 ORDER BY attempt, started_at

-- name: one
-- $2: the tenant, or null for any.
SELECT {columns} FROM ledger.calls AS c WHERE call_id = $1 AND ($2::text IS NULL OR tenant_id = $2)

-- name: trace
-- The trace that a call was recorded in, once something of it has come; none for a call that is older than the journal.
SELECT t.trace_id
  FROM journal.attempts AS a JOIN streams.traces AS t ON t.trace_id = split_part(a.traceparent, '-', 2)
 WHERE a.call_id = $1 AND t.tenant_id = a.tenant_id
 LIMIT 1

-- name: columns
call_id, revision, request_id, attempt, source, tenant_id, user_id, conversation_id, api_key_id, operation, provider,
coalesce(response_model, request_model) AS model, request_model, status, error_type, usage_source, cost_usd, cost_state,
price_version, coalesce(uncached_input_tokens, 0) AS uncached_input_tokens,
coalesce(cache_read_tokens, 0) AS cache_read_tokens, coalesce(cache_write_5m_tokens, 0) AS cache_write_5m_tokens,
coalesce(cache_write_1h_tokens, 0) AS cache_write_1h_tokens, coalesce(output_tokens, 0) AS output_tokens,
coalesce(reasoning_tokens, 0) AS reasoning_tokens, coalesce(input_audio_tokens, 0) AS input_audio_tokens,
coalesce(output_audio_tokens, 0) AS output_audio_tokens, coalesce(input_image_tokens, 0) AS input_image_tokens,
started_at, ended_at, queue_ms, policy_ms, ttft_ms, total_ms, tags, service_tier, region, experiment_id, variant_id,
prompt_version
