-- name: revise
-- What is known of attempts now, written by compare-and-set on the revision that was read, and charged to their budgets.
WITH revised AS (
  UPDATE journal.attempts a
     SET status = n.status, cost_usd = n.cost_usd, cost_state = n.cost_state, record = n.record,
         revision = a.revision + 1, open = true, changed_at = now()
    FROM unnest($1::uuid[], $2::int[], $3::text[], $4::numeric[], $5::text[], $6::text[])
      AS n (call_id, revision, status, cost_usd, cost_state, record)
   WHERE a.call_id = n.call_id AND a.revision = n.revision
  RETURNING a.call_id, a.revision, a.started_at, a.record, a.record_key, a.traceparent, a.reserved,
            journal.charge_of(a.status, a.cost_state, a.cost_usd) AS charge
), charges AS (
  SELECT array_agg(call_id) AS calls, array_agg(charge) AS charges FROM revised WHERE reserved HAVING count(*) > 0
), charged AS (
  SELECT journal.charge(calls, charges) FROM charges
)
SELECT call_id, revision, started_at, record, record_key, traceparent
  FROM revised
 WHERE (SELECT count(*) FROM charged) >= 0
