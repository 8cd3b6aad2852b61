-- Feedback: on its way to the calls that it is about, and as it stands.

-- name: record_keys
-- What the records of requests are keyed by, as far as they are known: to the journal, else, of calls that no worker of
-- ours made, by the conversation of their last call (its tenth field).
SELECT w.tenant_id, w.request_id, coalesce(r.record_key, c.conversation_id, w.request_id::text) AS record_key,
       CASE WHEN r.request_id IS NULL THEN c.conversation_id ELSE r.conversation_id END AS conversation_id
FROM unnest($1::text[], $2::uuid[]) AS w(tenant_id, request_id)
LEFT JOIN journal.requests AS r USING (tenant_id, request_id)
LEFT JOIN LATERAL (
  SELECT true AS known, s.state->'calls'->-1->>9 AS conversation_id FROM streams.requests AS s
   WHERE r.request_id IS NULL AND s.key = streams.key_of(w.tenant_id, w.request_id::text)
     AND s.part = ANY (ARRAY(SELECT DISTINCT part FROM ledger.sink_offsets WHERE sink = 'streams.requests'))
     AND jsonb_array_length(s.state->'calls') > 0
   ORDER BY s.touched_at DESC LIMIT 1) AS c ON true
WHERE r.request_id IS NOT NULL OR c.known

-- name: page
-- Latest first, given from $1 (included) to $2 (not included), in microseconds. $3 tenants, $5 conversations, $14 users:
-- empty for any; $4 request, $6 kind, $7 name, $8 score at most, in millionths, $9 only with words: null for any; $10 to
-- $12: the last row of the page before.
SELECT f.part, f.key, f.state::text AS state,
       CASE WHEN f.request_id = '' THEN EXISTS (
              SELECT FROM streams.conversations AS c WHERE c.part = f.part
                 AND c.key = streams.key_of(f.tenant_id, f.state->>'conversation_id') AND c.last_us > 0)
            ELSE EXISTS (
              SELECT FROM streams.requests AS r, jsonb_array_elements(r.state->'calls') AS call
               WHERE r.part = f.part AND r.key = streams.key_of(f.tenant_id, f.request_id) AND call->>3 <> 'not_sent')
       END AS attached
  FROM streams.feedback AS f
 WHERE given_us >= $1 AND given_us < $2
   AND (cardinality($3::text[]) = 0 OR tenant_id = ANY ($3))
   AND ($4::text IS NULL OR request_id = $4)
   AND (cardinality($5::text[]) = 0 OR state->>'conversation_id' = ANY ($5))
   AND (cardinality($14::text[]) = 0 OR state->>'user_id' = ANY ($14))
   AND ($6::text IS NULL OR state->>'kind' = $6)
   AND ($7::text IS NULL OR state->>'name' = $7)
   AND ($8::int IS NULL OR (state->>'millionths')::int <= $8)
   AND ($9::boolean IS NULL OR (state->>'comment' IS NOT NULL) = $9)
   AND ($10::bigint IS NULL OR (given_us, key, part) < ($10, $11::text, $12::int))
 ORDER BY given_us DESC, key DESC, part DESC LIMIT $13
