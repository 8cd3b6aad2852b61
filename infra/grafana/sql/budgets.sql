-- Budgets in their current period, and every alert.

-- name: budgets
-- What is held is a part of what is used; a soft budget is counted from the facts and holds nothing.
SELECT b.tenant_id AS tenant, b.budget_id AS budget, b.scope, b.scope_value, b.period,
       CASE WHEN b.hard THEN 'hard' ELSE 'soft' END AS kind, b.limit_usd, coalesce(s.spent_usd, 0) AS spent_usd,
       coalesce(s.held_usd, 0) AS held_usd, b.limit_usd - coalesce(s.spent_usd + s.held_usd, 0) AS left_usd,
       coalesce(s.spent_usd + s.held_usd, 0) / nullif(b.limit_usd, 0) AS used, s.period_start, s.resets_at
  FROM journal.budgets b
  LEFT JOIN LATERAL (
    SELECT spent_usd, reserved_usd AS held_usd, period_start, resets_at
      FROM journal.budget_periods p
     WHERE b.hard AND p.budget_id = b.budget_id AND p.period_start <= now()
       AND (p.resets_at IS NULL OR p.resets_at > now())
    UNION ALL
    (SELECT spent_usd, 0, period_start, NULL FROM ledger.budget_spending p
      WHERE NOT b.hard AND p.budget_id = b.budget_id ORDER BY period_start DESC LIMIT 1)) AS s ON true
 WHERE b.closed_at IS NULL AND b.tenant_id IN (${tenant:sqlstring})
 ORDER BY used DESC NULLS LAST, 1, 2 LIMIT 200

-- name: used
SELECT b.budget_id AS metric, (p.spent_usd + p.held_usd) / nullif(b.limit_usd, 0) AS used
  FROM journal.budgets b
  JOIN (SELECT budget_id, spent_usd, reserved_usd AS held_usd FROM journal.budget_periods
         WHERE period_start <= now() AND (resets_at IS NULL OR resets_at > now())
        UNION ALL
        (SELECT DISTINCT ON (budget_id) budget_id, spent_usd, 0 FROM ledger.budget_spending
          ORDER BY budget_id, period_start DESC)) AS p USING (budget_id)
 WHERE b.closed_at IS NULL AND b.tenant_id IN (${tenant:sqlstring})
 ORDER BY used DESC NULLS LAST, 1 LIMIT 30

-- name: spending
-- Of soft budgets, which are watched minute by minute.
SELECT $__timeGroupAlias(m.minute, $__interval), m.budget_id AS metric, sum(m.cost_usd) AS cost_usd
  FROM ledger.budget_minutes m
  JOIN journal.budgets b USING (budget_id)
 WHERE $__timeFilter(m.minute) AND b.tenant_id IN (${tenant:sqlstring})
 GROUP BY 1, 2 ORDER BY 1, 2

-- name: held
SELECT count(*) AS calls, coalesce(sum(amount_usd), 0) AS held_usd
  FROM journal.reservations r
  JOIN journal.budgets b USING (budget_id)
 WHERE r.charged_usd IS NULL AND b.tenant_id IN (${tenant:sqlstring})

-- name: standing
SELECT severity, kind, count(*) AS alerts
  FROM ledger.alerts WHERE resolved_at IS NULL AND tenant_id IN (${tenant:sqlstring}) GROUP BY 1, 2 ORDER BY 1, 2

-- name: raised
SELECT $__timeGroupAlias(raised_at, $__interval), kind AS metric, count(*) AS alerts
  FROM ledger.alerts WHERE $__timeFilter(raised_at) AND tenant_id IN (${tenant:sqlstring})
 GROUP BY 1, 2 ORDER BY 1, 2

-- name: alerts
SELECT raised_at AS time, resolved_at, severity, kind, tenant_id AS tenant, subject, message
  FROM ledger.alerts
 WHERE (resolved_at IS NULL OR $__timeFilter(raised_at)) AND tenant_id IN (${tenant:sqlstring})
 ORDER BY resolved_at IS NOT NULL, raised_at DESC LIMIT 200
