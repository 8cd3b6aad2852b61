-- Exports that have a row for each call are staged in a temporary table, then joined with what we know.

-- name: create_staging
CREATE TEMP TABLE exported_calls (
  place                 text        NOT NULL,
  response_id           text,
  call_id               uuid,
  model                 text        NOT NULL,
  started_at            timestamptz NOT NULL,
  service_tier          text,
  uncached_input_tokens bigint      NOT NULL,
  cache_read_tokens     bigint      NOT NULL,
  cache_write_5m_tokens bigint      NOT NULL,
  cache_write_1h_tokens bigint      NOT NULL,
  output_tokens         bigint      NOT NULL,
  reasoning_tokens      bigint      NOT NULL,
  input_audio_tokens    bigint,
  output_audio_tokens   bigint,
  input_image_tokens    bigint
)

-- name: drop_staging
DROP TABLE IF EXISTS exported_calls

-- name: staged
ANALYZE exported_calls

-- name: duplicates
-- The places of rows that name the same response, or without one the same call.
SELECT coalesce(response_id, call_id::text) AS id, array_agg(place ORDER BY e.ctid) AS places
  FROM exported_calls e GROUP BY 1, response_id IS NULL HAVING count(*) > 1

-- name: unsettled
-- Attempts that the export may settle, each with every row of it. $1: provider; $2, $3: from (included) and until when.
WITH unsettled AS MATERIALIZED (
  SELECT call_id, status, revision, started_at, provider, record, record_key, traceparent,
         replace(record, '\u0000', '\ufffd')::json ->> 'provider_response_id' AS known_response_id
    FROM journal.attempts
   WHERE started_at >= $2 AND started_at < $3 AND provider = $1
     AND ((cost_state = 'estimated' AND status <> 'started') OR status = 'not_sent')
), pairs AS (
  SELECT u.call_id, e.place FROM unsettled u JOIN exported_calls e ON e.response_id = u.known_response_id
   UNION
  SELECT u.call_id, e.place FROM unsettled u JOIN exported_calls e ON e.call_id = u.call_id
)
SELECT u.call_id, u.status, u.revision, u.started_at, u.provider, u.record, u.record_key, u.traceparent,
       e.place, e.response_id, e.model, e.service_tier, e.started_at AS exported_started_at,
       e.uncached_input_tokens, e.cache_read_tokens, e.cache_write_5m_tokens, e.cache_write_1h_tokens,
       e.output_tokens, e.reasoning_tokens, e.input_audio_tokens, e.output_audio_tokens, e.input_image_tokens
  FROM pairs JOIN unsettled u USING (call_id) JOIN exported_calls e USING (place)

-- name: matches
-- How the rows of the export and our facts fit. $1: provider; $2, $3: from (included) and until when.
WITH facts AS MATERIALIZED (
  SELECT call_id, provider_response_id, status,
         ARRAY[coalesce(uncached_input_tokens, 0), coalesce(cache_read_tokens, 0), coalesce(cache_write_5m_tokens, 0),
               coalesce(cache_write_1h_tokens, 0), coalesce(output_tokens, 0), coalesce(input_audio_tokens, 0),
               coalesce(output_audio_tokens, 0), coalesce(input_image_tokens, 0)] AS tokens
    FROM ledger.calls WHERE provider = $1 AND started_at >= $2 AND started_at < $3
), rows AS (
  SELECT place, response_id, call_id,
         ARRAY[uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
               coalesce(input_audio_tokens, 0), coalesce(output_audio_tokens, 0),
               coalesce(input_image_tokens, 0)] AS tokens
    FROM exported_calls
), pairs AS (
  SELECT r.place, f.call_id, r.tokens <> f.tokens AS differs FROM rows r
    JOIN facts f ON f.provider_response_id = r.response_id
   UNION
  SELECT r.place, f.call_id, r.tokens <> f.tokens FROM rows r JOIN facts f ON f.call_id = r.call_id
)
SELECT (SELECT count(*) FROM rows) AS rows,
       (SELECT count(DISTINCT place) FROM pairs) AS matched,
       (SELECT count(*) FROM pairs WHERE differs) AS differing,
       (SELECT count(*) FROM facts f WHERE f.status <> 'not_sent'
           AND NOT EXISTS (SELECT FROM pairs p WHERE p.call_id = f.call_id)) AS ours_alone

-- name: behind
-- Attempts of the provider that are not in the ledger as they are now, and those under way. $2, $3: as above.
SELECT count(*) FROM journal.attempts a
 WHERE a.provider = $1 AND a.started_at >= $2 AND a.started_at < $3
   AND (a.status = 'started'
        OR NOT EXISTS (SELECT FROM ledger.calls c WHERE c.call_id = a.call_id AND c.started_at = a.started_at
                                                    AND c.revision >= a.revision))

-- name: ours
-- What we booked, by model and day in UTC. $1: provider; $2: the days.
SELECT model, (bucket AT TIME ZONE 'UTC')::date AS day, sum(calls)::bigint AS calls,
       sum(unpriced_calls)::bigint AS unpriced_calls, sum(cost_usd) AS cost_usd,
       sum(uncached_input_tokens)::bigint AS uncached_input_tokens,
       sum(cache_read_tokens)::bigint AS cache_read_tokens,
       sum(cache_write_5m_tokens)::bigint AS cache_write_5m_tokens,
       sum(cache_write_1h_tokens)::bigint AS cache_write_1h_tokens,
       sum(output_tokens)::bigint AS output_tokens,
       sum(input_audio_tokens)::bigint AS input_audio_tokens,
       sum(output_audio_tokens)::bigint AS output_audio_tokens,
       sum(input_image_tokens)::bigint AS input_image_tokens
  FROM ledger.rollup_1m
 WHERE provider = $1
   AND bucket >= (SELECT min(d) FROM unnest($2::date[]) d)::timestamp AT TIME ZONE 'UTC'
   AND bucket < ((SELECT max(d) FROM unnest($2::date[]) d) + 1)::timestamp AT TIME ZONE 'UTC'
   AND (bucket AT TIME ZONE 'UTC')::date = ANY ($2::date[])
 GROUP BY 1, 2 HAVING sum(calls) <> 0 OR sum(cost_usd) <> 0
