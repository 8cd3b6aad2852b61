-- Statements of the journal. All take arrays: one statement serves a whole batch.

-- name: claim
-- Takes requests that are new or whose lease ended. One of the two endings below follows. $18: version of the budgets
-- by which it was decided what is reserved. $19: the variants of experiments; the first claim's stand.
WITH incoming AS (
  SELECT * FROM unnest(
    $1::text[], $2::uuid[], $3::bytea[], $4::int[], $5::bigint[], $6::text[], $7::text[], $8::boolean[],
    $9::timestamptz[], $10::text[], $11::uuid[], $12::text[], $13::text[], $14::text[], $15::numeric[], $19::text[]
  ) AS t (tenant_id, request_id, body_sha256, topic_partition, topic_offset, record_key, conversation_id, use_history,
          published_at, traceparent, call_id, provider, model, record, cost_usd, assignment)
   WHERE (SELECT journal.check_budgets($18::bigint[]))
), heads AS (
  INSERT INTO journal.conversation_heads AS h (tenant_id, conversation_id, request_id)
  SELECT i.tenant_id, i.conversation_id, i.request_id
    FROM incoming i
   WHERE i.use_history
     AND NOT EXISTS (SELECT FROM journal.requests r
                      WHERE r.tenant_id = i.tenant_id AND r.request_id = i.request_id AND r.state <> 'claimed')
   ORDER BY 1, 2
  ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET request_id = excluded.request_id
    WHERE h.request_id = excluded.request_id
  RETURNING h.tenant_id, h.request_id
), claimed AS (
  INSERT INTO journal.requests AS r (
    tenant_id, request_id, body_sha256, topic_partition, topic_offset, record_key, conversation_id, use_history,
    published_at, traceparent, owner, lease_until, attempts, assignment)
  SELECT i.tenant_id, i.request_id, i.body_sha256, i.topic_partition, i.topic_offset, i.record_key, i.conversation_id,
         i.use_history, i.published_at, i.traceparent, $16, now() + $17::interval, (i.call_id IS NOT NULL)::int,
         i.assignment
    FROM incoming i
   WHERE NOT i.use_history
      OR EXISTS (SELECT FROM heads h WHERE h.tenant_id = i.tenant_id AND h.request_id = i.request_id)
   ORDER BY 1, 2
  ON CONFLICT (tenant_id, request_id) DO UPDATE
    SET owner = excluded.owner, epoch = r.epoch + 1, lease_until = excluded.lease_until,
        lost_epochs = r.lost_epochs + (r.owner IS NOT NULL)::int
    WHERE r.state = 'claimed' AND r.lease_until < now() AND r.body_sha256 = excluded.body_sha256
  RETURNING r.tenant_id, r.request_id, r.epoch, r.lost_epochs, r.attempts, r.assignment
), left_behind AS (
  -- What an earlier owner left as started becomes unknown.
  UPDATE journal.attempts a
     SET status = 'unknown', revision = a.revision + 1, open = true, changed_at = now()
    FROM claimed c
   WHERE c.epoch > 1 AND a.tenant_id = c.tenant_id AND a.request_id = c.request_id AND a.status = 'started'
  RETURNING a.call_id
)

-- name: claim_free
-- The ending where no budget covers any of the requests: inserts the first attempt of each new one with it. Rows come
-- back only for what was claimed.
, first_attempts AS (
  INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider, model, cost_usd,
                                record, traceparent)
  SELECT i.call_id, i.tenant_id, i.request_id, 1, 1, i.record_key, i.provider, i.model, i.cost_usd, i.record,
         i.traceparent
    FROM claimed c
    JOIN incoming i ON i.tenant_id = c.tenant_id AND i.request_id = c.request_id
   WHERE c.epoch = 1 AND i.call_id IS NOT NULL
)
SELECT tenant_id, request_id, epoch, lost_epochs, attempts, assignment, now() AS claimed_at,
       extract(epoch FROM $17::interval)::float8 AS lease_left_s, NULL::uuid AS call_id
  FROM claimed;

-- name: claim_reserving
-- The ending with budgets, $20..$22 (see journal.reserve): $23 and $24 are what each attempt reserves of which. After
-- what was claimed come the first attempts that were refused, each with its budget and its call_id.
, wanted AS (
  SELECT i.*, w.amount_usd, w.matched, w.place
    FROM unnest($11::uuid[], $23::numeric[], $24::text[]) WITH ORDINALITY AS w (call_id, amount_usd, matched, place)
    JOIN incoming i ON i.call_id = w.call_id
    JOIN claimed c ON c.tenant_id = i.tenant_id AND c.request_id = i.request_id
   WHERE c.epoch = 1
), wishes AS (
  SELECT array_agg(call_id ORDER BY place) AS calls, array_agg(tenant_id ORDER BY place) AS tenants,
         array_agg(request_id ORDER BY place) AS requests, array_agg(amount_usd ORDER BY place) AS amounts,
         array_agg(matched ORDER BY place) AS matched
    FROM wanted
   WHERE amount_usd IS NOT NULL
  HAVING count(*) > 0
), refused AS MATERIALIZED (
  SELECT r.*
    FROM wishes w,
         LATERAL journal.reserve($20::text[], $21::timestamptz[], $22::timestamptz[], w.calls, w.tenants, w.requests,
                                 w.amounts, w.matched) AS r
   WHERE (SELECT count(*) FROM left_behind) >= 0  -- budgets are locked after all other rows
), first_attempts AS (
  INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider, model, cost_usd,
                                record, traceparent, reserved)
  SELECT w.call_id, w.tenant_id, w.request_id, 1, 1, w.record_key, w.provider, w.model, w.cost_usd, w.record,
         w.traceparent, w.amount_usd IS NOT NULL
    FROM wanted w
   WHERE NOT EXISTS (SELECT FROM refused r WHERE r.call_id = w.call_id)
)
SELECT tenant_id, request_id, epoch, lost_epochs, attempts, assignment, now() AS claimed_at,
       extract(epoch FROM $17::interval)::float8 AS lease_left_s, NULL::uuid AS call_id,
       NULL::text AS budget_id, NULL::numeric AS limit_usd, NULL::numeric AS left_usd, NULL::timestamptz AS resets_at
  FROM claimed
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, call_id, budget_id, limit_usd, left_usd, resets_at FROM refused;

-- name: standing
-- How the requests stand that could not be claimed.
SELECT r.tenant_id, r.request_id, r.state, r.body_sha256, r.topic_partition, r.topic_offset, r.outcome,
       greatest(0, extract(epoch FROM r.lease_until - now()))::float8 AS lease_left_s,
       r.owner, r.epoch, r.lost_epochs, r.attempts, r.claimed_at, r.assignment
  FROM unnest($1::text[], $2::uuid[]) AS i (tenant_id, request_id)
  JOIN journal.requests r ON r.tenant_id = i.tenant_id AND r.request_id = i.request_id;

-- name: earlier_attempts
SELECT cost_usd, cost_state FROM journal.attempts WHERE tenant_id = $1 AND request_id = $2 ORDER BY attempt;

-- name: turns
-- The messages of a conversation, oldest turn first.
SELECT messages FROM app.turns WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY turn;

-- name: begin_attempts
-- The next attempt of each request, if its epoch and lease still hold and its budgets have room; of one that they refuse
-- the budget. $10..$13: versions of the budgets known, those of the batch (see journal.reserve).
WITH incoming AS (
  SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                       $9::numeric[], $14::numeric[], $15::text[])
    AS t (tenant_id, request_id, epoch, attempt, call_id, provider, model, record, cost_usd, amount_usd, matched)
   WHERE (SELECT journal.check_budgets($10::bigint[]))
), numbered AS (
  UPDATE journal.requests r
     SET attempts = i.attempt
    FROM incoming i
   WHERE r.tenant_id = i.tenant_id AND r.request_id = i.request_id AND r.epoch = i.epoch AND r.state = 'claimed'
     AND r.lease_until > now() AND r.attempts = i.attempt - 1
  RETURNING r.record_key, r.traceparent, i.*
), wishes AS (
  SELECT array_agg(call_id) AS calls, array_agg(tenant_id) AS tenants, array_agg(request_id) AS requests,
         array_agg(amount_usd) AS amounts, array_agg(matched) AS matched
    FROM numbered
   WHERE cardinality($11::text[]) > 0 AND amount_usd IS NOT NULL
  HAVING count(*) > 0
), refused AS MATERIALIZED (
  SELECT r.*
    FROM wishes w,
         LATERAL journal.reserve($11::text[], $12::timestamptz[], $13::timestamptz[], w.calls, w.tenants, w.requests,
                                 w.amounts, w.matched) AS r
), begun AS (
  INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider, model, cost_usd,
                                record, traceparent, reserved)
  SELECT n.call_id, n.tenant_id, n.request_id, n.attempt, n.epoch, n.record_key, n.provider, n.model, n.cost_usd,
         n.record, n.traceparent, n.amount_usd IS NOT NULL
    FROM numbered n
   WHERE NOT EXISTS (SELECT FROM refused r WHERE r.call_id = n.call_id)
  RETURNING call_id, started_at
)
SELECT call_id, started_at, NULL::text AS budget_id, NULL::numeric AS limit_usd, NULL::numeric AS left_usd,
       NULL::timestamptz AS resets_at
  FROM begun
UNION ALL
SELECT call_id, NULL, budget_id, limit_usd, left_usd, resets_at FROM refused;

-- name: begun_attempts
-- Those that a repeated begin_attempts finds begun already, its first answer having been lost. One of the same number
-- that another worker began after us has another epoch.
SELECT a.call_id, a.started_at
  FROM unnest($1::uuid[], $2::int[]) AS u (call_id, epoch)
  JOIN journal.attempts a ON a.call_id = u.call_id AND a.epoch = u.epoch
 WHERE a.status = 'started';

-- name: settle
-- What is known of attempts grows, and requests get their one outcome, if their epoch still holds. Budgets are charged
-- what the attempts cost, after all other rows are locked.
WITH calls AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::numeric[], $4::text[], $5::text[])
    AS t (call_id, status, cost_usd, cost_state, record)
), settled AS (
  UPDATE journal.attempts a
     SET status = c.status, cost_usd = c.cost_usd, cost_state = c.cost_state, record = c.record,
         revision = a.revision + 1, open = true, changed_at = now()
    FROM calls c
   WHERE a.call_id = c.call_id AND a.status IN ('started', 'unknown', 'not_sent')
  RETURNING a.call_id, a.revision, a.started_at, a.reserved,
            journal.charge_of(a.status, a.cost_state, a.cost_usd) AS charge
), outcomes AS (
  SELECT * FROM unnest($6::text[], $7::uuid[], $8::int[], $9::text[], $10::text[], $11::text[], $12::text[])
    AS t (tenant_id, request_id, epoch, state, outcome, turn, user_id)
), finished AS (
  UPDATE journal.requests r
     SET state = o.state, outcome = o.outcome, finished_at = now()
    FROM outcomes o
   WHERE r.tenant_id = o.tenant_id AND r.request_id = o.request_id AND r.epoch = o.epoch AND r.state = 'claimed'
  RETURNING r.tenant_id, r.request_id, r.conversation_id, r.use_history, o.turn, o.user_id
), freed AS (
  DELETE FROM journal.conversation_heads h USING finished f
   WHERE f.use_history AND h.tenant_id = f.tenant_id AND h.conversation_id = f.conversation_id
     AND h.request_id = f.request_id
  RETURNING h.request_id
), conversations AS (
  INSERT INTO app.conversations AS c (tenant_id, conversation_id, user_id)
  SELECT f.tenant_id, f.conversation_id, f.user_id FROM finished f WHERE f.turn IS NOT NULL ORDER BY 1, 2
  ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET updated_at = now()
  RETURNING c.conversation_id
), turns AS (
  INSERT INTO app.turns (tenant_id, conversation_id, request_id, messages)
  SELECT f.tenant_id, f.conversation_id, f.request_id, f.turn FROM finished f WHERE f.turn IS NOT NULL
)
SELECT call_id AS id, revision, started_at, NULL::text AS tenant_id FROM settled
UNION ALL
SELECT request_id, NULL, NULL, tenant_id FROM finished
-- The order of these is that in which rows are locked, those of budgets last. Nothing comes of the last three but a row
-- without an id for each conversation.
UNION ALL
SELECT NULL, NULL, NULL, NULL FROM freed
UNION ALL
SELECT NULL, NULL, NULL, NULL FROM conversations
UNION ALL
SELECT NULL, NULL, NULL, NULL FROM settled WHERE reserved
HAVING count(*) > 0 AND NOT journal.charge(array_agg(call_id), array_agg(charge));

-- name: attempts_now
SELECT call_id, revision, started_at FROM journal.attempts WHERE call_id = ANY ($1::uuid[]);

-- name: renew
UPDATE journal.requests r
   SET lease_until = now() + $4::interval
  FROM unnest($1::text[], $2::uuid[], $3::int[]) AS u (tenant_id, request_id, epoch)
 WHERE r.tenant_id = u.tenant_id AND r.request_id = u.request_id AND r.epoch = u.epoch AND r.state = 'claimed'
RETURNING r.tenant_id, r.request_id;

-- name: hand_back
UPDATE journal.requests r
   SET lease_until = now(), owner = NULL
  FROM unnest($1::text[], $2::uuid[], $3::int[]) AS u (tenant_id, request_id, epoch)
 WHERE r.tenant_id = u.tenant_id AND r.request_id = u.request_id AND r.epoch = u.epoch AND r.state = 'claimed';

-- name: mark_calls_published
UPDATE journal.attempts a
   SET published_revision = u.revision, open = a.revision > u.revision OR a.status = 'started'
  FROM unnest($1::uuid[], $2::int[]) AS u (call_id, revision)
 WHERE a.call_id = u.call_id AND a.published_revision < u.revision;

-- name: mark_outcomes_published
UPDATE journal.requests r
   SET open = false
  FROM unnest($1::text[], $2::uuid[]) AS u (tenant_id, request_id)
 WHERE r.tenant_id = u.tenant_id AND r.request_id = u.request_id AND r.state <> 'claimed' AND r.open;

-- name: sweep_started
-- Attempts whose lease ended while nobody knew their end: unknown, at their provisional cost.
UPDATE journal.attempts
   SET status = 'unknown', revision = revision + 1, open = true, changed_at = now()
 WHERE call_id IN (
   SELECT a.call_id
     FROM journal.attempts a
     JOIN journal.requests r ON r.tenant_id = a.tenant_id AND r.request_id = a.request_id
    WHERE a.open AND a.status = 'started'
      AND (r.lease_until < now() OR r.epoch > a.epoch OR r.state <> 'claimed')
    ORDER BY a.call_id
    LIMIT 500
    FOR UPDATE OF a SKIP LOCKED)
   AND status = 'started'
RETURNING call_id;

-- name: unpublished_calls
-- Revisions that no worker has published although there was time to: its process died in between.
SELECT call_id, revision, started_at, record, record_key, traceparent
  FROM journal.attempts
 WHERE open AND revision > published_revision AND changed_at < now() - $1::interval
 ORDER BY started_at
 LIMIT 500;

-- name: unpublished_outcomes
SELECT tenant_id, request_id, state, outcome, record_key, traceparent
  FROM journal.requests
 WHERE open AND state <> 'claimed' AND finished_at < now() - $1::interval
 ORDER BY claimed_at
 LIMIT 500;

-- name: free_heads
-- A conversation is never held by a request that is finished.
DELETE FROM journal.conversation_heads h
 USING journal.requests r
 WHERE r.tenant_id = h.tenant_id AND r.request_id = h.request_id AND r.state <> 'claimed';
