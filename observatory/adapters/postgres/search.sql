-- What begins with a text. Each statement reads a bounded part of an index: that of one beginning, for each of the
-- tenants $1. A beginning lies from $2 up to $3, byte by byte.

-- name: called
-- Tenants and models of the calls of the last month; $1: the tenant, null for all. Keys of the sums alone are read: of
-- days, of hours for what is no whole day yet, of minutes for what is no whole hour yet.
SELECT DISTINCT tenant_id, model
  FROM (SELECT tenant_id, model FROM ledger.rollup_1d WHERE bucket >= now() - interval '31 days'
        UNION ALL
        SELECT tenant_id, model FROM ledger.rollup_1h WHERE bucket >= now() - interval '2 days'
        UNION ALL
        SELECT tenant_id, model FROM ledger.rollup_1m WHERE bucket >= now() - interval '3 hours') AS sums
 WHERE $1::text IS NULL OR tenant_id = $1

-- name: users
-- A user has a row for each partition.
SELECT t.tenant_id, u.user_id AS id, u.last_us
  FROM unnest($1::text[]) AS t(tenant_id)
 CROSS JOIN LATERAL (
   SELECT user_id, last_us FROM streams.users
    WHERE tenant_id = t.tenant_id AND user_id ~>=~ $2 AND user_id ~<=~ $3
    ORDER BY user_id USING ~<~ LIMIT $4) AS u
 LIMIT $4

-- name: conversations
SELECT t.tenant_id, c.conversation_id AS id, c.last_us
  FROM unnest($1::text[]) AS t(tenant_id)
 CROSS JOIN LATERAL (
   SELECT conversation_id, last_us FROM streams.conversations
    WHERE tenant_id = t.tenant_id AND conversation_id ~>=~ $2 AND conversation_id ~<=~ $3
    ORDER BY conversation_id USING ~<~ LIMIT $4) AS c
 LIMIT $4

-- name: calls
-- $1: the tenant, null for all.
SELECT call_id AS id, tenant_id, started_at AS at, coalesce(response_model, request_model) AS about
  FROM ledger.calls
 WHERE call_id >= $2 AND call_id <= $3 AND ($1::text IS NULL OR tenant_id = $1)
 ORDER BY call_id LIMIT $4

-- name: requests
-- With the last of their attempts.
SELECT r.request_id AS id, t.tenant_id, r.claimed_at AS at, r.state AS about, a.call_id
  FROM unnest($1::text[]) AS t(tenant_id)
 CROSS JOIN LATERAL (
   SELECT request_id, claimed_at, state FROM journal.requests
    WHERE tenant_id = t.tenant_id AND request_id >= $2 AND request_id <= $3
    ORDER BY request_id LIMIT $4) AS r
  LEFT JOIN LATERAL (
   SELECT call_id FROM journal.attempts
    WHERE tenant_id = t.tenant_id AND request_id = r.request_id
    ORDER BY attempt DESC LIMIT 1) AS a ON true
 LIMIT $4

-- name: traces
-- $1: the tenant, null for all.
SELECT trace_id AS id, tenant_id, start_us
  FROM streams.traces
 WHERE trace_id >= $2 AND trace_id <= $3 AND ($1::text IS NULL OR tenant_id = $1)
 ORDER BY trace_id LIMIT $4
