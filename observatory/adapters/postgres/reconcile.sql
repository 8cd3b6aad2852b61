-- Attempts that a provider's export may settle. Every write is a compare-and-set on the revision that was read.

-- name: unsettled
-- $1: since; $2: how the names of the providers begin that the export covers.
SELECT call_id, status, revision, started_at, provider, record, record_key, traceparent
  FROM journal.attempts
 WHERE started_at >= $1
   AND starts_with(provider, $2)
   AND ((cost_state = 'estimated' AND status <> 'started') OR status = 'not_sent')

-- name: settle
WITH settled AS (
  UPDATE journal.attempts a
     SET status = s.status, cost_usd = s.cost_usd, cost_state = 'reconciled', record = s.record,
         revision = a.revision + 1, open = true, changed_at = now()
    FROM unnest($1::uuid[], $2::int[], $3::text[], $4::numeric[], $5::text[])
      AS s (call_id, revision, status, cost_usd, record)
   WHERE a.call_id = s.call_id AND a.revision = s.revision
  RETURNING a.call_id, a.revision, a.started_at, a.record, a.record_key, a.traceparent, a.reserved,
            journal.charge_of(a.status, a.cost_state, a.cost_usd) AS charge
), charges AS (
  SELECT array_agg(call_id) AS calls, array_agg(charge) AS charges FROM settled WHERE reserved HAVING count(*) > 0
), charged AS (
  SELECT journal.charge(calls, charges) FROM charges
)
SELECT call_id, revision, started_at, record, record_key, traceparent
  FROM settled
 WHERE (SELECT count(*) FROM charged) >= 0
