-- name: offsets
SELECT DISTINCT ON (part) part, log_epoch, next_offset, last_record_at
FROM ledger.sink_offsets WHERE sink = $1 AND topic = $2 ORDER BY part, log_epoch DESC

-- name: open_log
INSERT INTO ledger.sink_offsets (sink, topic, log_epoch, part, next_offset, owner)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING

-- name: lock_offsets
SELECT o.part, o.next_offset
FROM ledger.sink_offsets AS o
JOIN unnest($3::int[], $4::int[]) AS m(part, log_epoch) USING (part, log_epoch)
WHERE o.sink = $1 AND o.topic = $2
ORDER BY o.part FOR UPDATE OF o

-- name: move_offsets
UPDATE ledger.sink_offsets AS o
SET next_offset = m.next_offset, last_record_at = m.last_record_at, applied_until = m.applied_until,
    owner = $3, updated_at = now()
FROM unnest($4::int[], $5::int[], $6::bigint[], $7::timestamptz[], $8::timestamptz[])
  AS m(part, log_epoch, next_offset, last_record_at, applied_until)
WHERE o.sink = $1 AND o.topic = $2 AND o.part = m.part AND o.log_epoch = m.log_epoch

-- name: drained
UPDATE ledger.sink_offsets AS o
SET applied_until = m.until, owner = $3, updated_at = now()
FROM unnest($4::int[], $5::int[], $6::bigint[], $7::timestamptz[]) AS m(part, log_epoch, next_offset, until)
WHERE o.sink = $1 AND o.topic = $2 AND o.part = m.part AND o.log_epoch = m.log_epoch
  AND o.next_offset = m.next_offset AND (o.applied_until IS NULL OR o.applied_until < m.until)

-- name: watermark
SELECT CASE WHEN count(*) = count(applied_until) THEN min(applied_until) END
FROM (SELECT DISTINCT ON (part) applied_until
      FROM ledger.sink_offsets WHERE sink = $1 AND topic = $2 ORDER BY part, log_epoch DESC) AS newest

-- name: commit_without_waiting
SET LOCAL synchronous_commit = off

-- name: create_staging
CREATE TEMP TABLE IF NOT EXISTS staged_calls (LIKE ledger.calls INCLUDING DEFAULTS) ON COMMIT DELETE ROWS

-- name: insert_staged
INSERT INTO ledger.calls SELECT * FROM staged_calls
ON CONFLICT (call_id, started_at) DO NOTHING
RETURNING call_id, started_at

-- name: lock_calls
SELECT c.call_id, c.revision, c.request_id, c.attempt, c.source, c.tenant_id, c.user_id, c.conversation_id, c.operation,
  c.provider, c.request_model, c.response_model, c.provider_response_id, c.status, c.error_type, c.usage_source,
  c.cost_state, c.price_version, c.started_at, c.first_token_at, c.ended_at, c.api_key_id, c.service_tier, c.region,
  c.experiment_id, c.variant_id, c.prompt_version, c.prompt_hash, c.tags, c.cost_usd,
  c.uncached_input_tokens, c.cache_read_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens, c.output_tokens,
  c.reasoning_tokens, c.input_audio_tokens, c.output_audio_tokens, c.input_image_tokens,
  c.queue_ms, c.policy_ms, c.ttft_ms, c.total_ms, c.topic_partition, c.topic_offset
FROM ledger.calls AS c JOIN unnest($1::uuid[], $2::timestamptz[]) AS k(call_id, started_at) USING (call_id, started_at)
WHERE c.started_at BETWEEN $3 AND $4
ORDER BY c.call_id, c.started_at FOR UPDATE OF c

-- name: replace_calls
UPDATE ledger.calls AS c
SET (revision, request_id, attempt, source, tenant_id, user_id, conversation_id, operation, provider, request_model,
     response_model, provider_response_id, status, error_type, usage_source, cost_state, price_version, first_token_at,
     ended_at, api_key_id, service_tier, region, experiment_id, variant_id, prompt_version, prompt_hash, tags, cost_usd,
     uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
     reasoning_tokens, input_audio_tokens, output_audio_tokens, input_image_tokens,
     queue_ms, policy_ms, ttft_ms, total_ms, topic_partition, topic_offset, recorded_at)
  = (s.revision, s.request_id, s.attempt, s.source, s.tenant_id, s.user_id, s.conversation_id, s.operation, s.provider,
     s.request_model, s.response_model, s.provider_response_id, s.status, s.error_type, s.usage_source, s.cost_state,
     s.price_version, s.first_token_at, s.ended_at, s.api_key_id, s.service_tier, s.region, s.experiment_id,
     s.variant_id, s.prompt_version, s.prompt_hash, s.tags, s.cost_usd,
     s.uncached_input_tokens, s.cache_read_tokens, s.cache_write_5m_tokens, s.cache_write_1h_tokens, s.output_tokens,
     s.reasoning_tokens, s.input_audio_tokens, s.output_audio_tokens, s.input_image_tokens,
     s.queue_ms, s.policy_ms, s.ttft_ms, s.total_ms, s.topic_partition, s.topic_offset, s.recorded_at)
FROM staged_calls AS s
WHERE c.call_id = s.call_id AND c.started_at = s.started_at AND c.revision < s.revision
  AND c.started_at BETWEEN $1 AND $2

-- name: add_to_rollups
-- Sums of hours, days and weeks that hold a minute which is changed hold no longer (see rolling.py): nearly always there
-- are none.
WITH taken_back AS (
  DELETE FROM ledger.rolled s USING (SELECT DISTINCT minute FROM unnest($1::timestamptz[]) AS minute) AS changed
   WHERE s.bucket IN (date_trunc('hour', minute, 'UTC'), date_trunc('day', minute, 'UTC'),
                      date_trunc('week', minute, 'UTC'))
     AND greatest(s.until, s.extending_to) > minute
)
INSERT INTO ledger.rollup_1m AS r
SELECT bucket, tenant_id, provider, model, operation, part,
  calls, errors, unpriced_calls, estimated_calls, not_sent_calls,
  uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
  reasoning_tokens, input_audio_tokens, output_audio_tokens, input_image_tokens,
  cost_usd, estimated_cost_usd, latency_ms_hist::bigint[], ttft_ms_hist::bigint[]
FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[],
  $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[], $11::bigint[],
  $12::bigint[], $13::bigint[], $14::bigint[], $15::bigint[], $16::bigint[],
  $17::bigint[], $18::bigint[], $19::bigint[], $20::bigint[],
  $21::numeric[], $22::numeric[], $23::text[], $24::text[])
AS d(bucket, tenant_id, provider, model, operation, part,
  calls, errors, unpriced_calls, estimated_calls, not_sent_calls,
  uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
  reasoning_tokens, input_audio_tokens, output_audio_tokens, input_image_tokens,
  cost_usd, estimated_cost_usd, latency_ms_hist, ttft_ms_hist)
ON CONFLICT (bucket, tenant_id, provider, model, operation, part) DO UPDATE SET
  calls = r.calls + excluded.calls,
  errors = r.errors + excluded.errors,
  unpriced_calls = r.unpriced_calls + excluded.unpriced_calls,
  estimated_calls = r.estimated_calls + excluded.estimated_calls,
  not_sent_calls = r.not_sent_calls + excluded.not_sent_calls,
  uncached_input_tokens = r.uncached_input_tokens + excluded.uncached_input_tokens,
  cache_read_tokens = r.cache_read_tokens + excluded.cache_read_tokens,
  cache_write_5m_tokens = r.cache_write_5m_tokens + excluded.cache_write_5m_tokens,
  cache_write_1h_tokens = r.cache_write_1h_tokens + excluded.cache_write_1h_tokens,
  output_tokens = r.output_tokens + excluded.output_tokens,
  reasoning_tokens = r.reasoning_tokens + excluded.reasoning_tokens,
  input_audio_tokens = r.input_audio_tokens + excluded.input_audio_tokens,
  output_audio_tokens = r.output_audio_tokens + excluded.output_audio_tokens,
  input_image_tokens = r.input_image_tokens + excluded.input_image_tokens,
  cost_usd = r.cost_usd + excluded.cost_usd,
  estimated_cost_usd = r.estimated_cost_usd + excluded.estimated_cost_usd,
  latency_ms_hist = ledger.hist_merge(r.latency_ms_hist, excluded.latency_ms_hist),
  ttft_ms_hist = ledger.hist_merge(r.ttft_ms_hist, excluded.ttft_ms_hist)

-- name: only_one_cleaner
SELECT pg_try_advisory_xact_lock(7305117202)

-- name: drop_old_chunks
SELECT count(*) FROM drop_chunks('ledger.calls', older_than => now() - make_interval(days => $1)) AS dropped

-- name: delete_old_requests
DELETE FROM journal.requests WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM journal.requests
  WHERE claimed_at < now() - make_interval(days => $1) AND NOT open AND state <> 'claimed' LIMIT $2))

-- name: delete_old_attempts
DELETE FROM journal.attempts WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM journal.attempts
  WHERE started_at < now() - make_interval(days => $1) AND NOT open AND status <> 'started' LIMIT $2))
