-- What budgets have spent, for those who watch them. Soft ones from the facts, by minutes: only minutes in which a fact
-- was recorded since the last look are counted again. One watcher at a time writes here.

-- name: budgets
SELECT *, clock_timestamp() AS now FROM journal.budgets WHERE closed_at IS NULL ORDER BY budget_id

-- name: quiet_since
-- What is recorded from here on may not be visible yet; what was recorded before is. A transaction is under way if it
-- has written, waits to, or is between two statements (its process may be stopped); any other is given the time $1.
SELECT least(clock_timestamp() - $1::interval, min(xact_start)) AS moment
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND (backend_xid IS NOT NULL OR wait_event_type = 'Lock' OR state LIKE 'idle in transaction%')

-- name: counted
SELECT budget_id, period_start, spent_usd, unpriced_calls FROM ledger.budget_spending

-- name: forget
-- Whatever is not among these periods.
DELETE FROM ledger.budget_spending s
 WHERE NOT EXISTS (SELECT FROM unnest($1::text[], $2::timestamptz[]) AS w (budget_id, period_start)
                    WHERE w.budget_id = s.budget_id AND w.period_start = s.period_start)

-- name: count_period
-- Budget $1 in the period from $2 on and before $3 (null: for ever).
WITH minutes AS MATERIALIZED (
  SELECT date_trunc('minute', c.started_at) AS minute, coalesce(sum(c.cost_usd), 0) AS cost_usd,
         count(*) FILTER (WHERE c.cost_usd IS NULL) AS unpriced_calls
    FROM journal.budgets b
    JOIN ledger.calls c ON c.tenant_id = b.tenant_id
   WHERE b.budget_id = $1 AND c.started_at >= $2 AND ($3::timestamptz IS NULL OR c.started_at < $3)
     AND c.status <> 'not_sent'
     AND journal.in_scope(b.scope, b.scope_value, c.request_model, c.user_id, c.api_key_id, c.conversation_id, c.tags)
   GROUP BY 1
), spending AS (
  INSERT INTO ledger.budget_spending (budget_id, period_start, spent_usd, unpriced_calls)
  SELECT $1, $2, coalesce(sum(cost_usd), 0), coalesce(sum(unpriced_calls), 0) FROM minutes
)
INSERT INTO ledger.budget_minutes (budget_id, period_start, minute, cost_usd, unpriced_calls)
SELECT $1, $2, minute, cost_usd, unpriced_calls FROM minutes

-- name: seen_until
SELECT seen_until FROM ledger.budget_watch

-- name: changed
-- Minutes from $3 on of tenants $2 in which a fact was recorded from $1 on.
SELECT DISTINCT tenant_id, date_trunc('minute', started_at) AS minute
  FROM ledger.calls
 WHERE recorded_at >= $1 AND tenant_id = ANY ($2::text[]) AND started_at >= $3
 ORDER BY 2, 1

-- name: count_again
-- The minutes $1, $2 (tenant, minute; the first is $6, the last begins before $7) of the periods $3, $4, $5. Their facts
-- are read once, whatever number of budgets they fall under.
WITH facts AS MATERIALIZED (
  SELECT m.tenant_id, m.minute, c.cost_usd, c.request_model, c.user_id, c.api_key_id, c.conversation_id, c.tags
    FROM unnest($1::text[], $2::timestamptz[]) AS m (tenant_id, minute)
    JOIN ledger.calls c
      ON c.tenant_id = m.tenant_id AND c.started_at >= m.minute AND c.started_at < m.minute + interval '1 minute'
     AND c.started_at >= $6 AND c.started_at < $7 AND c.status <> 'not_sent'
), touched AS (
  SELECT b.budget_id, b.tenant_id, b.scope, b.scope_value, p.period_start, m.minute
    FROM unnest($3::text[], $4::timestamptz[], $5::timestamptz[]) AS p (budget_id, period_start, ends)
    JOIN journal.budgets b ON b.budget_id = p.budget_id
    JOIN unnest($1::text[], $2::timestamptz[]) AS m (tenant_id, minute)
      ON m.tenant_id = b.tenant_id AND m.minute >= p.period_start AND (p.ends IS NULL OR m.minute < p.ends)
), counted AS MATERIALIZED (
  SELECT t.budget_id, t.period_start, t.minute, coalesce(sum(f.cost_usd), 0) AS cost_usd,
         count(*) FILTER (WHERE f.tenant_id IS NOT NULL AND f.cost_usd IS NULL) AS unpriced_calls
    FROM touched t
    LEFT JOIN facts f
      ON f.tenant_id = t.tenant_id AND f.minute = t.minute
     AND journal.in_scope(t.scope, t.scope_value, f.request_model, f.user_id, f.api_key_id, f.conversation_id, f.tags)
   GROUP BY 1, 2, 3
), changes AS MATERIALIZED (
  SELECT n.budget_id, n.period_start, n.minute, n.cost_usd, n.unpriced_calls,
         n.cost_usd - coalesce(o.cost_usd, 0) AS more_usd,
         n.unpriced_calls - coalesce(o.unpriced_calls, 0) AS more_unpriced
    FROM counted n
    LEFT JOIN ledger.budget_minutes o ON o.budget_id = n.budget_id AND o.minute = n.minute
), written AS (
  INSERT INTO ledger.budget_minutes AS m (budget_id, period_start, minute, cost_usd, unpriced_calls)
  SELECT budget_id, period_start, minute, cost_usd, unpriced_calls
    FROM changes WHERE more_usd <> 0 OR more_unpriced <> 0
  ON CONFLICT (budget_id, minute) DO UPDATE
    SET cost_usd = excluded.cost_usd, unpriced_calls = excluded.unpriced_calls
)
UPDATE ledger.budget_spending s
   SET spent_usd = s.spent_usd + d.more_usd, unpriced_calls = s.unpriced_calls + d.more_unpriced
  FROM (SELECT budget_id, period_start, sum(more_usd) AS more_usd, sum(more_unpriced)::bigint AS more_unpriced
          FROM changes GROUP BY 1, 2 HAVING bool_or(more_usd <> 0 OR more_unpriced <> 0)) AS d
 WHERE s.budget_id = d.budget_id AND s.period_start = d.period_start

-- name: move_on
UPDATE ledger.budget_watch SET seen_until = greatest(seen_until, $1)

-- name: charged
-- What hard budgets have spent and hold in these periods.
SELECT p.budget_id, p.period_start, p.spent_usd, p.reserved_usd
  FROM journal.budget_periods p
  JOIN unnest($1::text[], $2::timestamptz[]) AS w (budget_id, period_start) USING (budget_id, period_start)
