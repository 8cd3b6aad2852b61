-- Alerts: found by one watcher at a time, published from their rows, read by people.

-- name: only_one_watcher
SELECT pg_try_advisory_xact_lock(7305117207)

-- name: only_one_publisher
SELECT pg_try_advisory_xact_lock(7305117208)

-- name: unpriced
-- Calls without a price that are still among the facts, by tenant, provider and model; $1: for how many days facts are
-- kept. Corrections of a rollup may stand under another part: only the sum over parts means something.
SELECT u.tenant_id, u.provider, u.model, u.calls,
       (SELECT count(*) FROM ledger.alerts a
         WHERE a.kind = 'unpriced_model' AND a.tenant_id = u.tenant_id AND a.subject = u.provider || ' ' || u.model
           AND a.resolved_at IS NOT NULL)::int AS earlier
  FROM (SELECT tenant_id, provider, model, sum(unpriced_calls)::bigint AS calls
          FROM ledger.rollup_1m
         WHERE unpriced_calls <> 0 AND bucket >= now() - make_interval(days => $1)
         GROUP BY 1, 2, 3 HAVING sum(unpriced_calls) > 0) AS u
 ORDER BY 1, 2, 3

-- name: raise
INSERT INTO ledger.alerts (alert_id, kind, severity, tenant_id, subject, occurrence, message, details, latest)
SELECT alert_id, kind, severity, tenant_id, subject, occurrence, message, details::jsonb, details::jsonb
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
    AS a (alert_id, kind, severity, tenant_id, subject, occurrence, message, details)
ON CONFLICT (alert_id) DO NOTHING
RETURNING kind

-- name: note_latest
UPDATE ledger.alerts a
   SET latest = n.details::jsonb
  FROM unnest($1::uuid[], $2::text[]) AS n (alert_id, details)
 WHERE a.alert_id = n.alert_id AND a.resolved_at IS NULL AND a.latest <> n.details::jsonb

-- name: resolve
-- Those of the kinds $1 that do not stand any more: not among $2.
UPDATE ledger.alerts SET resolved_at = now()
 WHERE kind = ANY ($1::text[]) AND resolved_at IS NULL AND alert_id <> ALL ($2::uuid[])
RETURNING kind

-- name: resolve_one
UPDATE ledger.alerts SET resolved_at = now(), latest = latest || $2::jsonb
 WHERE alert_id = $1 AND resolved_at IS NULL

-- name: unpublished
SELECT alert_id, kind, severity, tenant_id, subject, message, details::text, latest::text, raised_at, resolved_at,
       published
  FROM ledger.alerts WHERE open ORDER BY raised_at, alert_id LIMIT $1

-- name: mark_published
UPDATE ledger.alerts a SET published = m.published
  FROM unnest($1::uuid[], $2::int[]) AS m (alert_id, published) WHERE a.alert_id = m.alert_id

-- name: lower
-- Whether alert l is a lower threshold of the budget of alert a, in the same period and of the same limit, and stands or
-- is over as it does.
l.kind = 'budget_threshold' AND l.kind = a.kind AND l.tenant_id = a.tenant_id AND l.subject = a.subject
   AND l.latest->>'period_start' = a.latest->>'period_start' AND l.latest->>'limit_usd' = a.latest->>'limit_usd'
   AND (l.latest->>'threshold')::numeric < (a.latest->>'threshold')::numeric
   AND (l.resolved_at IS NULL) = (a.resolved_at IS NULL)

-- name: page
-- Newest first. $1: tenant or null; $2: whether they must stand (true), be resolved (false), or either (null); $3: since;
-- $4, $5: the last row of the page before (null for the first page); $7: kind or null; $8: whether those of which a
-- higher threshold was reached too are folded into it.
SELECT l.alert_id, l.kind, l.severity, l.tenant_id, l.subject, l.message, l.latest::text AS details, l.raised_at,
       l.resolved_at
  FROM ledger.alerts AS l
 WHERE ($1::text IS NULL OR l.tenant_id = $1)
   AND ($2::boolean IS NULL OR (l.resolved_at IS NULL) = $2)
   AND ($3::timestamptz IS NULL OR l.raised_at >= $3)
   AND ($4::timestamptz IS NULL OR (l.raised_at, l.alert_id) < ($4, $5::uuid))
   AND ($7::text IS NULL OR l.kind = $7)
   AND NOT ($8 AND EXISTS (SELECT FROM ledger.alerts AS a WHERE {lower}))
 ORDER BY l.raised_at DESC, l.alert_id DESC LIMIT $6

-- name: folded
-- What is folded into the alerts $1, the highest threshold first.
SELECT a.alert_id AS into_id, l.alert_id, l.severity, l.message, l.latest->>'threshold' AS threshold, l.raised_at
  FROM ledger.alerts AS a JOIN ledger.alerts AS l ON {lower}
 WHERE a.alert_id = ANY ($1::uuid[])
 ORDER BY (l.latest->>'threshold')::numeric DESC

-- name: alert
SELECT alert_id, kind, severity, tenant_id, subject, message, latest::text AS details, raised_at, resolved_at
  FROM ledger.alerts WHERE alert_id = $1 AND ($2::text IS NULL OR tenant_id = $2)
