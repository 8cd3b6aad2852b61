-- How the whole pipeline stands, for those who keep watch over it: asked by one process every few seconds.

-- name: outbox
-- What is committed and not acknowledged by the broker yet, and since when the oldest of it waits.
SELECT what, waiting, coalesce(extract(epoch FROM now() - oldest), 0)::double precision AS oldest_s
  FROM (SELECT 'calls' AS what, count(*) AS waiting, min(changed_at) AS oldest
          FROM journal.attempts WHERE open AND status <> 'started'
        UNION ALL
        SELECT 'outcomes', count(*), min(finished_at) FROM journal.requests WHERE open AND state <> 'claimed'
        UNION ALL
        SELECT 'alerts', count(*), min(coalesce(resolved_at, raised_at)) FROM ledger.alerts WHERE open
        UNION ALL
        SELECT 'adjustments', count(*), min(adjusted_at) FROM journal.adjustments WHERE open) AS waits

-- name: unknown_calls
-- Attempts whose worker died before it knew their end: held in full until they are reconciled.
SELECT count(*) FROM journal.attempts WHERE cost_state = 'estimated' AND status = 'unknown'

-- name: standing_alerts
-- $1: tenant or null; $2: whether of the thresholds of one budget and period the highest alone is counted.
SELECT kind, severity, count(*) AS alerts,
       (array_agg(message ORDER BY raised_at DESC, alert_id DESC))[1] AS latest
  FROM ledger.alerts AS l
 WHERE resolved_at IS NULL AND ($1::text IS NULL OR tenant_id = $1)
   AND NOT ($2 AND EXISTS (SELECT FROM ledger.alerts AS a WHERE {lower}))
 GROUP BY kind, severity ORDER BY severity, kind

-- name: budgets
-- The $1 budgets of which most is used, what is held included; a limit of 0 is used up.
SELECT tenant_id, budget_id, hard,
       CASE WHEN limit_usd = 0 THEN 1 ELSE used_usd / limit_usd END::double precision AS used_ratio
  FROM (SELECT b.tenant_id, b.budget_id, b.hard, b.limit_usd, p.spent_usd + p.reserved_usd AS used_usd
          FROM journal.budgets b
          JOIN journal.budget_periods p ON p.budget_id = b.budget_id
         WHERE b.closed_at IS NULL AND b.hard AND p.period_start <= now() AND (p.resets_at IS NULL OR p.resets_at > now())
        UNION ALL
        SELECT b.tenant_id, b.budget_id, b.hard, b.limit_usd, s.spent_usd
          FROM journal.budgets b
          JOIN LATERAL (SELECT spent_usd FROM ledger.budget_spending s WHERE s.budget_id = b.budget_id
                         ORDER BY period_start DESC LIMIT 1) s ON true
         WHERE b.closed_at IS NULL AND NOT b.hard) AS standing
 ORDER BY used_ratio DESC, budget_id LIMIT $1

-- name: database_bytes
SELECT pg_database_size(current_database())
