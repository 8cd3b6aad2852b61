-- Quality, conversations and users, as the stream workers keep them.

-- name: watermark
-- Calls and feedback that the broker took up to this moment are in; null while a partition was never applied.
SELECT CASE WHEN count(*) = count(applied_until) THEN min(applied_until) END
  FROM (SELECT DISTINCT ON (sink, topic, part) applied_until FROM ledger.sink_offsets
         WHERE sink IN ('streams.requests', 'streams.feedback_routing')
         ORDER BY sink, topic, part, log_epoch DESC) AS newest

-- name: trend
-- By step, what is scored and {keys}. $1, $2: days from (included) to (not included); $3 tenants, $4 providers, $5 models,
-- $6 prompt versions: empty for any; $7 kind, $8 name: null for any; $9, $10: the last row of the page before; $12 also what is about no
-- call, and so has no provider, model and prompt version.
SELECT step, keys, n, unattached, total, squares, ups, downs, judged_calls, unpriced_calls, cost_usd
  FROM (SELECT {step} AS step, ARRAY[kind, name{keys}]::text[] AS keys, sum(n)::bigint AS n,
               sum(unattached)::bigint AS unattached, sum(total) AS total, sum(squares) AS squares,
               sum(ups)::bigint AS ups, sum(downs)::bigint AS downs, sum(judged_calls)::bigint AS judged_calls,
               sum(unpriced_calls)::bigint AS unpriced_calls, sum(cost_usd) AS cost_usd
          FROM (SELECT *, 0 AS unattached FROM streams.quality
                UNION ALL SELECT *, n AS unattached FROM streams.unattached WHERE $12) AS cells
         WHERE day >= $1 AND day < $2
           AND (cardinality($3::text[]) = 0 OR tenant_id = ANY ($3))
           AND (cardinality($4::text[]) = 0 OR provider = ANY ($4))
           AND (cardinality($5::text[]) = 0 OR model = ANY ($5))
           AND (cardinality($6::text[]) = 0 OR prompt_version = ANY ($6))
           AND ($7::text IS NULL OR kind = $7)
           AND ($8::text IS NULL OR name = $8)
         GROUP BY step, kind, name{keys}) AS found
 WHERE n > 0 AND ($9::date IS NULL OR (step, keys) > ($9, $10::text[]))
 ORDER BY step, keys LIMIT $11

-- name: conversations
-- Those whose last activity lies from $1 (included) to $2 (not included), in microseconds, the most of {order} first.
-- $3 tenant, $4 user, $5 model, $6 least cost, $7 least turns, $12 a part of the name: null for any; $8 to $10: the last
-- row of the page before.
WITH page AS (
  SELECT part, key, {order} AS position
    FROM streams.conversations
   WHERE last_us >= $1 AND last_us < $2
     AND ($3::text IS NULL OR tenant_id = $3)
     AND ($4::text IS NULL OR state->'users' ? $4)
     AND ($5::text IS NULL OR state->'models' ? $5)
     AND ($6::numeric IS NULL OR cost_usd >= $6)
     AND ($7::int IS NULL OR (state->'sums'->>'requests')::int >= $7)
     AND ($12::text IS NULL OR strpos(lower(conversation_id), lower($12)) > 0)
     AND ($8::numeric IS NULL OR ({order}, key, part) < ($8::{kind}, $9::text, $10::int))
   ORDER BY {order} DESC, key DESC, part DESC LIMIT $11)
SELECT p.part, p.key, p.position::numeric AS position, (c.state - 'recent' - 'earlier' - 'floor')::text AS state
  FROM page AS p JOIN streams.conversations AS c USING (part, key)
 ORDER BY p.position DESC, p.key DESC, p.part DESC

-- name: user
-- The partials of one user.
SELECT state::text AS state FROM streams.users WHERE tenant_id = $1 AND user_id = $2 ORDER BY part
