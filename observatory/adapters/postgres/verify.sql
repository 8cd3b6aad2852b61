-- The four legs of the proof: the provider's bill, the attempts, the facts, the rollups. All but the bill are read in
-- one snapshot; the bill is copied into a temporary table first. `since` is a whole minute.

-- name: create_bill
CREATE TEMP TABLE bill_lines (
  position              bigint      NOT NULL,
  bill_id               text        NOT NULL,
  call_id               uuid,
  billed                boolean     NOT NULL,
  uncached_input_tokens bigint      NOT NULL,
  cache_read_tokens     bigint      NOT NULL,
  cache_write_5m_tokens bigint      NOT NULL,
  cache_write_1h_tokens bigint      NOT NULL,
  output_tokens         bigint      NOT NULL,
  cost_usd              numeric     NOT NULL,
  received_at           timestamptz NOT NULL
)

-- name: create_answers
CREATE TEMP TABLE outcome_events (tenant_id text NOT NULL, request_id uuid NOT NULL, body_sha256 bytea NOT NULL)

-- name: reduce_bill
-- The last line of each bill id, then one row a call: more than one bill id for a call is two calls at the provider.
CREATE TEMP TABLE bill AS
SELECT call_id, count(*) AS bills, bool_or(billed) AS billed, min(received_at) AS received_at,
       sum(uncached_input_tokens)::bigint AS uncached_input_tokens, sum(cache_read_tokens)::bigint AS cache_read_tokens,
       sum(cache_write_5m_tokens)::bigint AS cache_write_5m_tokens,
       sum(cache_write_1h_tokens)::bigint AS cache_write_1h_tokens, sum(output_tokens)::bigint AS output_tokens,
       sum(cost_usd) AS cost_usd
  FROM (SELECT DISTINCT ON (bill_id) * FROM bill_lines ORDER BY bill_id, position DESC) AS last
 GROUP BY call_id, CASE WHEN call_id IS NULL THEN bill_id END

-- name: join_legs
-- One row a call that any of bill, attempts and facts knows. $1: since. $2: whether there is a bill. One that could not
-- connect (a connection error whose cost is settled) never reached the provider, as one that was not sent.
CREATE TEMP TABLE legs AS
WITH attempts AS (
  SELECT a.call_id, a.tenant_id, a.request_id, a.attempt, a.provider, a.model, a.status, a.cost_state, a.revision,
         a.published_revision, a.cost_usd, a.started_at, u.*,
         a.status = 'not_sent'
           OR (a.cost_state = 'settled' AND a.status = 'error' AND coalesce(u.error_type, '') = 'connection_error') AS unreached
    FROM journal.attempts a
    LEFT JOIN LATERAL (
      SELECT u.*, said ->> 'error_type' AS error_type
        FROM (SELECT replace(a.record, '\u0000', '\ufffd')::json AS said) AS r, json_to_record(said -> 'usage') AS u (
          uncached_input_tokens bigint, cache_read_tokens bigint, cache_write_5m_tokens bigint,
          cache_write_1h_tokens bigint, output_tokens bigint)) AS u ON true
   WHERE a.started_at >= $1
), facts AS (
  SELECT *, status = 'not_sent'
            OR (cost_state = 'settled' AND status = 'error' AND coalesce(error_type, '') = 'connection_error') AS unreached
    FROM ledger.calls WHERE started_at >= $1 AND source = 'worker'
)
SELECT coalesce(a.call_id, f.call_id, b.call_id) AS call_id,
       coalesce(a.provider, f.provider) AS provider,
       coalesce(f.response_model, f.request_model, a.model) AS model,
       coalesce(a.request_id, f.request_id) AS request_id,
       coalesce(a.attempt, f.attempt) AS attempt,
       a.call_id IS NOT NULL AS in_attempts, f.call_id IS NOT NULL AS in_facts, b.call_id IS NOT NULL AS in_bill,
       coalesce(a.provider, f.provider) LIKE 'sim-%' AND $2 AS billable,
       coalesce(a.unreached, false) AS a_unreached, coalesce(f.unreached, false) AS f_unreached,
       a.status AS a_status, f.status AS f_status, a.cost_state AS a_cost_state, f.cost_state AS f_cost_state,
       a.revision AS a_revision, f.revision AS f_revision, a.published_revision,
       b.billed, coalesce(b.bills, 0) AS bills,
       a.cost_usd AS a_cost, f.cost_usd AS f_cost, b.cost_usd AS b_cost,
       ARRAY[coalesce(a.uncached_input_tokens, 0), coalesce(a.cache_read_tokens, 0),
             coalesce(a.cache_write_5m_tokens, 0), coalesce(a.cache_write_1h_tokens, 0),
             coalesce(a.output_tokens, 0)] AS a_tokens,
       ARRAY[coalesce(f.uncached_input_tokens, 0), coalesce(f.cache_read_tokens, 0),
             coalesce(f.cache_write_5m_tokens, 0), coalesce(f.cache_write_1h_tokens, 0),
             coalesce(f.output_tokens, 0)] AS f_tokens,
       ARRAY[b.uncached_input_tokens, b.cache_read_tokens, b.cache_write_5m_tokens, b.cache_write_1h_tokens,
             b.output_tokens] AS b_tokens
  FROM attempts a
  FULL JOIN facts f ON f.call_id = a.call_id
  FULL JOIN (SELECT * FROM bill WHERE call_id IS NOT NULL) b ON b.call_id = coalesce(a.call_id, f.call_id)
 WHERE a.call_id IS NOT NULL
    OR f.call_id IS NOT NULL
    -- a bill line from before the period belongs to an attempt from before it; one at its edge may too
    OR (b.received_at >= $1 AND NOT EXISTS (SELECT FROM journal.attempts e WHERE e.call_id = b.call_id))

-- name: find_differences
CREATE TEMP TABLE differences AS
SELECT l.*, kind
  FROM legs l,
       LATERAL unnest(array_remove(ARRAY[
         CASE WHEN in_bill AND NOT in_attempts THEN 'billed_without_attempt' END,
         CASE WHEN bills > 1 THEN 'billed_twice' END,
         CASE WHEN billable AND in_attempts AND a_status <> 'started' THEN CASE
           WHEN in_bill AND a_status = 'not_sent' THEN 'needs_reconciliation'
           WHEN NOT in_bill AND NOT a_unreached THEN
             CASE WHEN a_cost_state = 'estimated' THEN 'needs_reconciliation' ELSE 'not_billed' END
           WHEN in_bill AND a_status = 'unknown' THEN 'needs_reconciliation'
           WHEN in_bill AND (a_cost IS DISTINCT FROM b_cost OR a_tokens <> b_tokens) THEN CASE
             WHEN a_cost_state = 'estimated' THEN 'needs_reconciliation'
             WHEN a_cost IS NULL THEN 'unpriced'
             WHEN a_cost <> b_cost THEN 'cost_differs_from_bill'
             ELSE 'tokens_differ_from_bill' END
           WHEN in_bill AND a_status = 'ok' AND NOT billed THEN 'ok_but_not_billed' END END,
         CASE WHEN in_attempts AND NOT in_facts AND a_status <> 'started' THEN 'attempt_without_fact' END,
         CASE WHEN in_facts AND NOT in_attempts THEN 'fact_without_attempt' END,
         CASE WHEN in_attempts AND published_revision < a_revision THEN 'not_published' END,
         CASE WHEN in_attempts AND in_facts THEN CASE
           WHEN f_revision <> a_revision THEN 'fact_has_another_revision'
           WHEN f_status <> a_status THEN 'fact_has_another_status'
           WHEN f_cost IS DISTINCT FROM a_cost OR f_cost_state <> a_cost_state THEN 'fact_has_another_cost'
           WHEN f_tokens <> a_tokens THEN 'fact_has_other_tokens' END END
       ], NULL)) AS kind

-- name: rollup_differences
-- Facts and rollups, cell by cell of minute, tenant, provider, model and operation.
WITH facts AS (
  SELECT date_trunc('minute', started_at) AS bucket, tenant_id, provider,
         coalesce(response_model, request_model) AS model, operation,
         count(*) FILTER (WHERE status <> 'not_sent') AS calls,
         count(*) FILTER (WHERE status = 'error') AS errors,
         count(*) FILTER (WHERE status = 'not_sent') AS not_sent,
         coalesce(sum(cost_usd) FILTER (WHERE status <> 'not_sent'), 0) AS cost_usd,
         coalesce(sum(coalesce(uncached_input_tokens, 0) + coalesce(cache_read_tokens, 0)
           + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0) + coalesce(output_tokens, 0))
           FILTER (WHERE status <> 'not_sent'), 0) AS tokens
    FROM ledger.calls WHERE started_at >= $1 GROUP BY 1, 2, 3, 4, 5
), rollups AS (
  SELECT bucket, tenant_id, provider, model, operation, sum(calls) AS calls, sum(errors) AS errors,
         sum(not_sent_calls) AS not_sent, sum(cost_usd) AS cost_usd,
         sum(uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens
             + output_tokens) AS tokens
    FROM ledger.rollup_1m WHERE bucket >= $1 GROUP BY 1, 2, 3, 4, 5
)
SELECT bucket, tenant_id, provider, model, operation,
       coalesce(f.calls, 0)::bigint AS fact_calls, coalesce(r.calls, 0)::bigint AS rollup_calls,
       coalesce(f.cost_usd, 0) AS fact_cost_usd, coalesce(r.cost_usd, 0) AS rollup_cost_usd,
       coalesce(f.tokens, 0)::bigint AS fact_tokens, coalesce(r.tokens, 0)::bigint AS rollup_tokens,
       count(*) OVER () AS total
  FROM facts f
  FULL JOIN rollups r USING (bucket, tenant_id, provider, model, operation)
 WHERE (coalesce(f.calls, 0), coalesce(f.errors, 0), coalesce(f.not_sent, 0), coalesce(f.cost_usd, 0),
        coalesce(f.tokens, 0))
       IS DISTINCT FROM
       (coalesce(r.calls, 0), coalesce(r.errors, 0), coalesce(r.not_sent, 0), coalesce(r.cost_usd, 0),
        coalesce(r.tokens, 0))
 ORDER BY 1, 2, 3, 4, 5
 LIMIT $2

-- name: budget_differences
-- A period of a hard budget that was not over before $1 is the sum of its reservations and what there was before it;
-- each reservation of an attempt from the period is charged what the attempt says.
WITH periods AS (
  SELECT p.*, coalesce(r.charged_usd, 0) + p.opening_usd AS charged_usd, coalesce(r.held_usd, 0) AS held_usd
    FROM journal.budget_periods p
    LEFT JOIN (
      SELECT budget_id, period_start, sum(charged_usd) AS charged_usd,
             sum(amount_usd) FILTER (WHERE charged_usd IS NULL) AS held_usd
        FROM journal.reservations GROUP BY 1, 2) r USING (budget_id, period_start)
   WHERE p.resets_at IS NULL OR p.resets_at > $1
), found AS (
  SELECT 'budget_is_not_its_reservations' AS kind, budget_id, period_start, NULL::uuid AS call_id, spent_usd,
         reserved_usd, charged_usd AS should_be_spent_usd, held_usd AS should_be_reserved_usd
    FROM periods
   WHERE (spent_usd, reserved_usd) <> (charged_usd, held_usd)
  UNION ALL
  SELECT 'reservation_is_not_its_attempt', r.budget_id, r.period_start, a.call_id, r.charged_usd, r.amount_usd,
         journal.charge_of(a.status, a.cost_state, a.cost_usd), NULL
    FROM journal.attempts a
    LEFT JOIN journal.reservations r ON r.call_id = a.call_id
   WHERE a.reserved AND a.started_at >= $1
     AND (r.call_id IS NULL OR r.charged_usd IS DISTINCT FROM journal.charge_of(a.status, a.cost_state, a.cost_usd))
)
SELECT *, count(*) OVER () AS total FROM found ORDER BY kind, budget_id, period_start, call_id LIMIT $2

-- name: totals
-- Each leg by itself, by provider and model; the bill's lines under the provider and model of their attempt.
SELECT leg, provider, model, sum(calls)::bigint AS calls, sum(cost_usd) AS cost_usd, sum(tokens)::bigint AS tokens
  FROM (
    SELECT 'bill' AS leg, coalesce(provider, 'unknown') AS provider, coalesce(model, 'unknown') AS model,
           bills AS calls, b_cost AS cost_usd, (SELECT sum(t) FROM unnest(b_tokens) t) AS tokens
      FROM legs WHERE in_bill
    UNION ALL
    SELECT 'attempts', provider, model, 1, coalesce(a_cost, 0), (SELECT sum(t) FROM unnest(a_tokens) t)
      FROM legs WHERE in_attempts AND a_status <> 'started' AND NOT a_unreached
    UNION ALL
    SELECT 'facts', provider, model, 1, coalesce(f_cost, 0), (SELECT sum(t) FROM unnest(f_tokens) t)
      FROM legs WHERE in_facts AND NOT f_unreached
    UNION ALL
    SELECT 'rollups', provider, model, calls, cost_usd,
           uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens + output_tokens
      FROM ledger.rollup_1m WHERE bucket >= $1
    UNION ALL
    SELECT 'rollups', provider, model, -1, 0, 0 FROM legs WHERE in_facts AND f_unreached AND f_status <> 'not_sent'
  ) AS all_legs
 GROUP BY leg, provider, model
 ORDER BY provider, model, leg

-- name: foreign_bill
SELECT count(*) AS calls, coalesce(sum(cost_usd), 0) AS cost_usd FROM bill WHERE call_id IS NULL AND received_at >= $1

-- name: counts
SELECT count(*) FILTER (WHERE in_attempts AND a_status = 'started') AS in_flight,
       count(*) FILTER (WHERE in_attempts AND a_status = 'not_sent') AS not_sent,
       count(*) FILTER (WHERE in_attempts AND a_unreached AND a_status <> 'not_sent') AS not_connected,
       count(*) FILTER (WHERE in_attempts AND a_cost IS NULL AND a_status <> 'started') AS unpriced,
       count(*) FILTER (WHERE in_attempts AND NOT provider LIKE 'sim-%') AS without_export
  FROM legs

-- name: differences_by_kind
SELECT kind, count(*) AS calls FROM differences GROUP BY kind ORDER BY kind

-- name: differences_shown
SELECT kind, call_id, request_id, attempt, provider, model, a_status, a_cost_state, a_revision, f_revision,
       a_cost AS attempt_cost_usd, f_cost AS fact_cost_usd, b_cost AS bill_cost_usd, bills,
       a_tokens AS attempt_tokens, f_tokens AS fact_tokens, b_tokens AS bill_tokens
  FROM differences ORDER BY kind, call_id LIMIT $1

-- name: requests
-- Every request has one outcome: it stands in its row, which is closed once the broker has it.
SELECT count(*) AS requests,
       count(*) FILTER (WHERE state = 'completed') AS completed,
       count(*) FILTER (WHERE state = 'failed') AS failed,
       count(*) FILTER (WHERE state = 'claimed') AS without_outcome,
       count(*) FILTER (WHERE state <> 'claimed' AND open) AS outcome_not_published,
       count(*) FILTER (WHERE state <> 'claimed' AND outcome IS NULL) AS outcome_missing
  FROM journal.requests WHERE claimed_at >= $1

-- name: outcomes_on_topic
-- $1: since; $2: from when on the topic holds everything. Different bodies are different outcomes; repeats are one.
WITH heard AS (
  SELECT tenant_id, request_id, count(DISTINCT body_sha256) AS outcomes, count(*) AS records
    FROM outcome_events GROUP BY 1, 2
), wanted AS (
  SELECT tenant_id, request_id FROM journal.requests
   WHERE claimed_at >= greatest($1::timestamptz, $2::timestamptz) AND state <> 'claimed'
)
SELECT count(h.request_id) FILTER (WHERE w.request_id IS NOT NULL) AS heard,
       count(*) FILTER (WHERE h.request_id IS NULL) AS missing,
       count(*) FILTER (WHERE h.outcomes > 1) AS several,
       coalesce(sum(h.records - 1) FILTER (WHERE h.outcomes = 1), 0)::bigint AS repeats,
       count(*) FILTER (WHERE w.request_id IS NULL AND NOT EXISTS (
         SELECT FROM journal.requests r WHERE r.tenant_id = h.tenant_id AND r.request_id = h.request_id)) AS unknown
  FROM wanted w FULL JOIN heard h USING (tenant_id, request_id)

-- name: adjustments
-- Every adjustment that was decided was published and is in the ledger, as it was decided, and no other.
SELECT count(j.adjustment_id) AS decided, count(l.adjustment_id) AS applied,
       coalesce(sum(j.amount_usd), 0) AS decided_usd, coalesce(sum(l.amount_usd), 0) AS applied_usd,
       count(*) FILTER (WHERE j.open) AS not_published,
       count(*) FILTER (WHERE NOT j.open AND l.adjustment_id IS NULL) AS not_applied,
       count(*) FILTER (WHERE j.adjustment_id IS NULL) AS not_decided,
       count(*) FILTER (WHERE j.adjustment_id IS NOT NULL AND l.adjustment_id IS NOT NULL AND
         (j.tenant_id, j.provider, j.model, j.day, j.booked_month, j.amount_usd, j.export_id) IS DISTINCT FROM
         (l.tenant_id, l.provider, l.model, l.day, l.booked_month, l.amount_usd, l.export_id)) AS differing
  FROM journal.adjustments j FULL JOIN ledger.adjustments l USING (adjustment_id)

-- name: busy
-- What is still under way: nothing of it when the system is quiet.
SELECT (SELECT count(*) FROM journal.attempts WHERE open AND status = 'started') AS started_attempts,
       (SELECT count(*) FROM journal.attempts WHERE open AND status <> 'started') AS unpublished_calls,
       (SELECT count(*) FROM journal.requests WHERE open AND state = 'claimed') AS claimed_requests,
       (SELECT count(*) FROM journal.requests WHERE open AND state <> 'claimed') AS unpublished_outcomes,
       (SELECT count(*) FROM journal.adjustments j
         WHERE NOT j.open AND NOT EXISTS (SELECT FROM ledger.adjustments l WHERE l.adjustment_id = j.adjustment_id)
       ) AS adjustments_not_in_ledger,
       (SELECT count(*) FROM journal.attempts a
         WHERE a.started_at > now() - interval '1 hour' AND a.revision > 0
           AND NOT EXISTS (SELECT FROM ledger.calls c
                            WHERE c.call_id = a.call_id AND c.started_at = a.started_at
                              AND c.revision >= a.revision)) AS calls_not_in_ledger
