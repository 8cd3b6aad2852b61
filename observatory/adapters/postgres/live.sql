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

-- name: seconds
-- Sums of the seconds from $1 up to, not including, $2, of one tenant, or of all ($3 is null); one for each second, or
-- one for all of them. Seconds without calls have none.
SELECT {second} AS second, coalesce(sum(calls), 0)::bigint AS calls, coalesce(sum(errors), 0)::bigint AS errors,
  coalesce(sum(unpriced_calls), 0)::bigint AS unpriced_calls, coalesce(sum(input_tokens), 0)::bigint AS input_tokens,
  coalesce(sum(output_tokens), 0)::bigint AS output_tokens, coalesce(sum(cost_usd), 0) AS cost_usd,
  ledger.hist_quantile(ledger.hist_union(latency_ms_hist), 0.5) AS latency_p50_ms,
  ledger.hist_quantile(ledger.hist_union(latency_ms_hist), 0.95) AS latency_p95_ms,
  ledger.hist_quantile(ledger.hist_union(latency_ms_hist), 0.99) AS latency_p99_ms,
  ledger.hist_quantile(ledger.hist_union(ttft_ms_hist), 0.95) AS ttft_p95_ms
FROM streams.window_cells
WHERE second >= $1 AND second < $2 AND ($3::text IS NULL OR tenant_id = $3)
{grouping}
