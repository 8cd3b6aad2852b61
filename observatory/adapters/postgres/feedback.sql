-- Feedback: on its way to the calls that it is about, and as it stands.

-- name: record_keys
-- What the records of requests are keyed by, as far as they are known.
SELECT r.tenant_id, r.request_id, r.record_key, r.conversation_id
FROM unnest($1::text[], $2::uuid[]) AS w(tenant_id, request_id)
JOIN journal.requests AS r USING (tenant_id, request_id)

-- name: page
-- Latest first, given from $1 (included) to $2 (not included), in microseconds. $3 tenant, $4 request, $5 conversation,
-- $6 kind, $7 name, $8 score at most, in millionths, $9 only with words: null for any; $10 to $12: the last row of the
-- page before.
SELECT part, key, state::text AS state
  FROM streams.feedback
 WHERE given_us >= $1 AND given_us < $2
   AND ($3::text IS NULL OR tenant_id = $3)
   AND ($4::text IS NULL OR request_id = $4)
   AND ($5::text IS NULL OR state->>'conversation_id' = $5)
   AND ($6::text IS NULL OR state->>'kind' = $6)
   AND ($7::text IS NULL OR state->>'name' = $7)
   AND ($8::int IS NULL OR (state->>'millionths')::int <= $8)
   AND ($9::boolean IS NULL OR (state->>'comment' IS NOT NULL) = $9)
   AND ($10::bigint IS NULL OR (given_us, key, part) < ($10, $11::text, $12::int))
 ORDER BY given_us DESC, key DESC, part DESC LIMIT $13
