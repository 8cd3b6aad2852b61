-- Single calls, for people who look at them.

-- name: some
-- Since $1; of tenant $2, provider $3 and model $4 (as answered, else as asked), null: any; the first $5.
SELECT call_id, started_at, tenant_id, user_id, provider, coalesce(response_model, request_model) AS model, status,
       error_type, attempt, total_ms, output_tokens, cost_usd, cost_state
  FROM ledger.calls
 WHERE started_at >= $1
   AND ($2::text IS NULL OR tenant_id = $2)
   AND ($3::text IS NULL OR provider = $3)
   AND ($4::text IS NULL OR coalesce(response_model, request_model) = $4)
 ORDER BY {order} LIMIT $5

-- name: one
SELECT * FROM ledger.calls WHERE call_id = $1 AND started_at = $2

-- name: attempts
-- All calls of the request of one, in their order; a request lives for minutes.
SELECT attempt, provider, coalesce(response_model, request_model) AS model, status, error_type, total_ms, cost_usd
  FROM ledger.calls
 WHERE tenant_id = $1 AND request_id = $2 AND started_at >= $3::timestamptz - interval '15 minutes'
   AND started_at < $3::timestamptz + interval '15 minutes'
 ORDER BY attempt
