-- name: cells
SELECT second, part, tenant_id, provider, model, calls, errors, unpriced_calls, input_tokens, output_tokens, cost_usd,
  latency_ms_hist, ttft_ms_hist
FROM streams.window_cells WHERE second >= $1 AND second < $2
ORDER BY second, tenant_id, provider, model, part

-- name: closed_until
SELECT floor(extract(epoch FROM streams.closed_until()))::bigint

-- name: cursor
SELECT position FROM streams.cursors WHERE name = $1

-- name: begin_cursor
INSERT INTO streams.cursors (name, position) VALUES ($1, $2) ON CONFLICT DO NOTHING

-- name: move_cursor
UPDATE streams.cursors SET position = $3, updated_at = now() WHERE name = $1 AND position = $2

-- name: in_flight
SELECT tenant_id, count(*) AS calls FROM journal.attempts WHERE open AND status = 'started' GROUP BY tenant_id
