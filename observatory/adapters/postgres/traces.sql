-- Traces and their spans.

-- name: page
-- Latest first, without outlines. $1: tenant, null: all; $2, $3: begun within, µs; then conversation, user, model, least
-- cost, least duration in µs, whether with errors; $10, $11: the last row of the page before; $12: idle for so long, a
-- trace is closed. What is not asked for is null.
SELECT start_us, touched_at < streams.traces_until() - $12::interval AS closed,
       (state - 'spans' - 'rest_ids')::text AS trace
  FROM streams.traces
 WHERE ($1::text IS NULL OR tenant_id = $1)
   AND start_us >= $2 AND start_us < $3
   AND ($4::text IS NULL OR state->'conversation_ids' @> to_jsonb($4::text))
   AND ($5::text IS NULL OR state->'user_ids' @> to_jsonb($5::text))
   AND ($6::text IS NULL OR state->'models' @> to_jsonb($6::text))
   AND ($7::numeric IS NULL OR cost_usd >= $7)
   AND ($8::bigint IS NULL OR duration_us >= $8)
   AND ($9::boolean IS NULL OR (errors > 0) = $9)
   AND ($10::bigint IS NULL OR (start_us, trace_id) < ($10, $11::text))
 ORDER BY start_us DESC, trace_id DESC LIMIT $13

-- name: until
SELECT streams.traces_until()

-- name: traces
-- Of one id, the one with the most spans first. $2: tenant, null: all.
SELECT start_us, touched_at < streams.traces_until() - $3::interval AS closed, state::text AS trace
  FROM streams.traces WHERE trace_id = $1 AND ($2::text IS NULL OR tenant_id = $2)
 ORDER BY (state->'sums'->>'spans')::int DESC, tenant_id, part

-- name: spans
-- In the order of their beginning; $3, $4: begun from and to; $5, $6: the last span of the page before.
SELECT span_id, parent_span_id, start_ns, end_ns, service, name, kind, status, status_message, scope,
       resource::text, attributes::text, events::text, links::text, dropped, conversation_id, user_id, request_id,
       call_id, cost_usd
  FROM ledger.spans
 WHERE trace_id = $2 AND tenant_id = $1 AND start_at >= $3 AND start_at <= $4
   AND ($5::bigint IS NULL OR (start_ns, span_id) > ($5, $6::text))
 ORDER BY start_ns, span_id LIMIT $7

-- name: linked
-- Spans of other traces, of this tenant or of the platform itself, that name this one.
SELECT trace_id, span_id, start_ns, end_ns, service, name, kind, status
  FROM ledger.spans
 WHERE links @> jsonb_build_array(jsonb_build_object('trace_id', $2::text)) AND links IS NOT NULL
   AND tenant_id IN ('', $1) AND trace_id <> $2 AND start_at >= $3 AND start_at <= $4
 ORDER BY start_ns, span_id LIMIT $5

-- name: drop_old_chunks
SELECT count(*) FROM drop_chunks('ledger.spans', older_than => now() - $1::interval) AS dropped
