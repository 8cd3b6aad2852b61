-- name: unpriced
-- Facts without a cost, with what the journal knows of their calls; $1 since, $2 until, $3 tenant, $4 model.
SELECT c.call_id, coalesce(c.response_model, c.request_model) AS model, a.call_id IS NOT NULL AS in_journal,
       a.status, a.started_at, a.revision, a.cost_usd, a.cost_state, a.record
  FROM ledger.calls AS c LEFT JOIN journal.attempts AS a ON a.call_id = c.call_id
 WHERE c.cost_usd IS NULL
   AND (c.started_at >= $1 OR $1::timestamptz IS NULL) AND c.started_at < $2
   AND (c.tenant_id = $3 OR $3::text IS NULL) AND (coalesce(c.response_model, c.request_model) = $4 OR $4::text IS NULL)
