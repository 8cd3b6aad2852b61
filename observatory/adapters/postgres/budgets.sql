-- Budgets: what they are, how they stand, and how one begins in the middle of a period.
-- PostgreSQL has no text with the character NUL: a record that holds one is read with another character in its place.

-- name: newer
-- Hard budgets that changed after version $1; one row without a budget where none did.
SELECT v.version AS now_version, clock_timestamp() AS now, b.*
  FROM journal.budget_version v
  LEFT JOIN journal.budgets b ON b.hard AND b.version > $1;

-- name: room
-- What is left of a budget in a period; nothing was taken in a period that has no row yet.
SELECT b.limit_usd, b.limit_usd - coalesce(p.spent_usd + p.reserved_usd, 0) AS left_usd
  FROM journal.budgets b
  LEFT JOIN journal.budget_periods p ON p.budget_id = b.budget_id AND p.period_start = $2
 WHERE b.budget_id = $1;

-- name: lock_version
LOCK TABLE journal.budget_version IN EXCLUSIVE MODE;

-- name: raise_version
UPDATE journal.budget_version SET version = version + 1 RETURNING version, clock_timestamp() AS now;

-- name: clock
SELECT clock_timestamp() AS now;

-- name: insert
INSERT INTO journal.budgets (budget_id, tenant_id, scope, scope_value, limit_usd, hard, period, time_zone, thresholds)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (budget_id) DO NOTHING
RETURNING budget_id;

-- name: set_version
UPDATE journal.budgets SET version = $2 WHERE budget_id = $1;

-- name: set_limit
UPDATE journal.budgets SET limit_usd = $2 WHERE budget_id = $1 AND closed_at IS NULL RETURNING hard;

-- name: close
UPDATE journal.budgets SET closed_at = now() WHERE budget_id = $1 AND closed_at IS NULL RETURNING hard;

-- name: list
-- Budgets with the period that it is now, where it has begun; $1: a tenant or null.
SELECT b.*, p.period_start, p.resets_at, coalesce(p.spent_usd, 0) AS spent_usd,
       coalesce(p.reserved_usd, 0) AS reserved_usd
  FROM journal.budgets b
  LEFT JOIN LATERAL (
    SELECT * FROM journal.budget_periods p
     WHERE p.budget_id = b.budget_id AND p.period_start <= now() AND (p.resets_at IS NULL OR p.resets_at > now())
     ORDER BY p.period_start DESC LIMIT 1) p ON true
 WHERE $1::text IS NULL OR b.tenant_id = $1
 ORDER BY b.tenant_id, b.budget_id;

-- name: spent_before
-- What calls of tenant $1 in scope $2, $3 have cost that began from $4 on and before $5, and those that may still change
-- (one that was not sent costs 0, and may turn up at the provider after all).
SELECT coalesce(sum(journal.charge_of(status, cost_state, cost_usd)), 0) AS spent_usd,
       coalesce(array_agg(call_id) FILTER (
         WHERE status = 'not_sent' OR journal.charge_of(status, cost_state, cost_usd) IS NULL), '{}') AS open
  FROM journal.attempts, LATERAL (SELECT replace(record, '\u0000', '\ufffd')::jsonb AS said) AS r
 WHERE tenant_id = $1 AND started_at >= $4 AND started_at < $5
   AND journal.in_scope($2, $3, model, said ->> 'user_id', said ->> 'api_key_id',
                        said ->> 'conversation_id', said -> 'tags');

-- name: spent_long_ago
-- The same of calls of which only the fact is left.
SELECT coalesce(sum(c.cost_usd), 0) AS spent_usd
  FROM ledger.calls c
 WHERE c.tenant_id = $1 AND c.started_at >= $4 AND c.started_at < $5 AND c.source = 'worker'
   AND journal.in_scope($2, $3, c.request_model, c.user_id, c.api_key_id, c.conversation_id, c.tags)
   AND NOT EXISTS (SELECT FROM journal.attempts a WHERE a.call_id = c.call_id);

-- name: hold_open
-- Calls of tenant $1 in scope $2, $3 that began from $4 on, or are among $5, and may still change: each gets a
-- reservation of budget $6 in the period $7 at what is known of its cost.
WITH held AS (
  UPDATE journal.attempts a
     SET reserved = true
   WHERE a.call_id IN (
     SELECT call_id
       FROM journal.attempts, LATERAL (SELECT replace(record, '\u0000', '\ufffd')::jsonb AS said) AS r
      WHERE tenant_id = $1 AND (started_at >= $4 OR call_id = ANY ($5::uuid[]))
        AND (status = 'not_sent' OR journal.charge_of(status, cost_state, cost_usd) IS NULL)
        AND journal.in_scope($2, $3, model, said ->> 'user_id', said ->> 'api_key_id',
                             said ->> 'conversation_id', said -> 'tags')
      ORDER BY call_id
        FOR UPDATE OF attempts)
  RETURNING a.call_id, coalesce(a.cost_usd, 0) AS amount_usd, journal.charge_of(a.status, a.cost_state, a.cost_usd) AS charge
)
INSERT INTO journal.reservations (call_id, budget_id, period_start, amount_usd, charged_usd)
SELECT call_id, $6, $7, amount_usd, charge FROM held
RETURNING call_id, amount_usd, charged_usd;

-- name: spent_since
-- What calls of tenant $1 in scope $2, $3 have cost that began from $4 on, or are among $5, and cannot change any more.
SELECT coalesce(sum(cost_usd), 0) AS spent_usd
  FROM journal.attempts, LATERAL (SELECT replace(record, '\u0000', '\ufffd')::jsonb AS said) AS r
 WHERE tenant_id = $1 AND (started_at >= $4 OR call_id = ANY ($5::uuid[]))
   AND status <> 'not_sent' AND journal.charge_of(status, cost_state, cost_usd) IS NOT NULL
   AND journal.in_scope($2, $3, model, said ->> 'user_id', said ->> 'api_key_id',
                        said ->> 'conversation_id', said -> 'tags');

-- name: open_period
INSERT INTO journal.budget_periods (budget_id, period_start, resets_at, opening_usd, spent_usd, reserved_usd)
VALUES ($1, $2, $3, $4::numeric, $4::numeric + $5::numeric, $6);

-- name: spending
-- What calls in the scope of each budget have cost since two moments, by the facts.
SELECT u.budget_id,
       coalesce(sum(c.cost_usd) FILTER (WHERE c.started_at >= u.period_start), 0) AS spent_usd,
       coalesce(sum(c.cost_usd) FILTER (WHERE c.started_at >= u.recent), 0) AS recent_usd
  FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[]) AS u (budget_id, period_start, recent)
  JOIN journal.budgets b ON b.budget_id = u.budget_id
  LEFT JOIN ledger.calls c ON c.tenant_id = b.tenant_id AND c.started_at >= least(u.period_start, u.recent)
   AND c.status <> 'not_sent'
   AND journal.in_scope(b.scope, b.scope_value, c.request_model, c.user_id, c.api_key_id, c.conversation_id, c.tags)
 GROUP BY u.budget_id;
