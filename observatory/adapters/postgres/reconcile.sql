-- Attempts that a provider's export may settle.

-- name: unsettled
-- $1: since; $2: how the names of the providers begin that the export covers.
SELECT call_id, status, revision, started_at, provider, record, record_key, traceparent
  FROM journal.attempts
 WHERE started_at >= $1
   AND starts_with(provider, $2)
   AND ((cost_state = 'estimated' AND status <> 'started') OR status = 'not_sent')
