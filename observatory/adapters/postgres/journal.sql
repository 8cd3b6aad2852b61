-- Statements of the journal. All take arrays: one statement serves a whole batch.

-- name: claim
-- Takes requests that are new or whose lease ended; inserts the first attempt of a new one with it. What an earlier
-- owner left as started becomes unknown. Rows come back only for what was claimed.
WITH incoming AS (
  SELECT * FROM unnest(
    $1::text[], $2::uuid[], $3::bytea[], $4::int[], $5::bigint[], $6::text[], $7::text[], $8::boolean[],
    $9::timestamptz[], $10::text[], $11::uuid[], $12::text[], $13::text[], $14::text[], $15::numeric[]
  ) AS t (tenant_id, request_id, body_sha256, topic_partition, topic_offset, record_key, conversation_id, use_history,
          published_at, traceparent, call_id, provider, model, record, cost_usd)
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
    published_at, traceparent, owner, lease_until, attempts)
  SELECT i.tenant_id, i.request_id, i.body_sha256, i.topic_partition, i.topic_offset, i.record_key, i.conversation_id,
         i.use_history, i.published_at, i.traceparent, $16, now() + $17::interval, (i.call_id IS NOT NULL)::int
    FROM incoming i
   WHERE NOT i.use_history
      OR EXISTS (SELECT FROM heads h WHERE h.tenant_id = i.tenant_id AND h.request_id = i.request_id)
   ORDER BY 1, 2
  ON CONFLICT (tenant_id, request_id) DO UPDATE
    SET owner = excluded.owner, epoch = r.epoch + 1, lease_until = excluded.lease_until,
        lost_epochs = r.lost_epochs + (r.owner IS NOT NULL)::int
    WHERE r.state = 'claimed' AND r.lease_until < now() AND r.body_sha256 = excluded.body_sha256
  RETURNING r.tenant_id, r.request_id, r.epoch, r.lost_epochs, r.attempts
), first_attempts AS (
  INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider, model, cost_usd,
                                record, traceparent)
  SELECT i.call_id, i.tenant_id, i.request_id, 1, 1, i.record_key, i.provider, i.model, i.cost_usd, i.record,
         i.traceparent
    FROM claimed c
    JOIN incoming i ON i.tenant_id = c.tenant_id AND i.request_id = c.request_id
   WHERE c.epoch = 1 AND i.call_id IS NOT NULL
), left_behind AS (
  UPDATE journal.attempts a
     SET status = 'unknown', revision = a.revision + 1, open = true, changed_at = now()
    FROM claimed c
   WHERE c.epoch > 1 AND a.tenant_id = c.tenant_id AND a.request_id = c.request_id AND a.status = 'started'
)
SELECT tenant_id, request_id, epoch, lost_epochs, attempts, now() AS claimed_at,
       extract(epoch FROM $17::interval)::float8 AS lease_left_s
  FROM claimed;

-- name: standing
-- How the requests stand that could not be claimed.
SELECT r.tenant_id, r.request_id, r.state, r.body_sha256, r.topic_partition, r.topic_offset, r.outcome,
       greatest(0, extract(epoch FROM r.lease_until - now()))::float8 AS lease_left_s,
       r.owner, r.epoch, r.lost_epochs, r.attempts, r.claimed_at
  FROM unnest($1::text[], $2::uuid[]) AS i (tenant_id, request_id)
  JOIN journal.requests r ON r.tenant_id = i.tenant_id AND r.request_id = i.request_id;

-- name: earlier_attempts
SELECT cost_usd, cost_state FROM journal.attempts WHERE tenant_id = $1 AND request_id = $2 ORDER BY attempt;

-- name: turns
-- The messages of a conversation, oldest turn first.
SELECT messages FROM app.turns WHERE tenant_id = $1 AND conversation_id = $2 ORDER BY turn;

-- name: begin_attempts
-- The next attempt of each request, if its epoch and lease still hold.
WITH incoming AS (
  SELECT * FROM unnest($1::text[], $2::uuid[], $3::int[], $4::int[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                       $9::numeric[])
    AS t (tenant_id, request_id, epoch, attempt, call_id, provider, model, record, cost_usd)
), numbered AS (
  UPDATE journal.requests r
     SET attempts = i.attempt
    FROM incoming i
   WHERE r.tenant_id = i.tenant_id AND r.request_id = i.request_id AND r.epoch = i.epoch AND r.state = 'claimed'
     AND r.lease_until > now() AND r.attempts = i.attempt - 1
  RETURNING r.record_key, r.traceparent, i.*
)
INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider, model, cost_usd,
                              record, traceparent)
SELECT call_id, tenant_id, request_id, attempt, epoch, record_key, provider, model, cost_usd, record, traceparent
  FROM numbered
RETURNING call_id, started_at;

-- name: begun_attempts
-- Those that a repeated begin_attempts finds begun already, its first answer having been lost. One of the same number
-- that another worker began after us has another epoch.
SELECT a.call_id, a.started_at
  FROM unnest($1::uuid[], $2::int[]) AS u (call_id, epoch)
  JOIN journal.attempts a ON a.call_id = u.call_id AND a.epoch = u.epoch
 WHERE a.status = 'started';

-- name: settle
-- What is known of attempts grows, and requests get their one outcome, if their epoch still holds.
WITH calls AS (
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::numeric[], $4::text[], $5::text[])
    AS t (call_id, status, cost_usd, cost_state, record)
), settled AS (
  UPDATE journal.attempts a
     SET status = c.status, cost_usd = c.cost_usd, cost_state = c.cost_state, record = c.record,
         revision = a.revision + 1, open = true, changed_at = now()
    FROM calls c
   WHERE a.call_id = c.call_id AND a.status IN ('started', 'unknown', 'not_sent')
  RETURNING a.call_id, a.revision, a.started_at
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
), conversations AS (
  INSERT INTO app.conversations AS c (tenant_id, conversation_id, user_id)
  SELECT f.tenant_id, f.conversation_id, f.user_id FROM finished f WHERE f.turn IS NOT NULL ORDER BY 1, 2
  ON CONFLICT (tenant_id, conversation_id) DO UPDATE SET updated_at = now()
), turns AS (
  INSERT INTO app.turns (tenant_id, conversation_id, request_id, messages)
  SELECT f.tenant_id, f.conversation_id, f.request_id, f.turn FROM finished f WHERE f.turn IS NOT NULL
)
SELECT call_id AS id, revision, started_at, NULL::text AS tenant_id FROM settled
UNION ALL
SELECT request_id, NULL, NULL, tenant_id FROM finished;

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
