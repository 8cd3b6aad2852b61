-- Questions to the sums. A statement is put together from these parts: cells of every table that holds a part of the
-- period, what they are grouped by (k0, k1, …), and the order. Whatever comes from a client is an argument.

-- name: rolled
-- Of the tables $3 what holds from $1 to $2; unless $4 of the hours only those that are in no day of $5 that can be used.
SELECT sums, bucket, until FROM ledger.rolled AS r
 WHERE until > bucket AND bucket >= $1::timestamptz AND bucket < $2::timestamptz AND sums = ANY ($3::text[])
   AND ($4 OR sums NOT LIKE 'rollup_1h%' OR NOT EXISTS (
     SELECT FROM ledger.rolled AS d
      WHERE d.sums = $5 AND d.bucket = date_trunc('day', r.bucket, 'UTC') AND d.bucket >= $1 AND d.until <= $2
        AND d.until > r.bucket))

-- name: cells
-- Of {table}; {where} names the rows of the part.
SELECT {era} AS era, {at} AS at{keys}, calls, errors, unpriced_calls, estimated_calls, not_sent_calls,
       uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
       reasoning_tokens, input_audio_tokens, output_audio_tokens, input_image_tokens, cost_usd, estimated_cost_usd
  FROM ledger.{table} AS c WHERE {where}

-- name: durations
-- The buckets of both histograms, one a row: i is the bucket, that of a time to the first token 4096 more; n its count.
SELECT era, at{names}, ((x + 549755813888) >> 40)::int AS i, x - (((x + 549755813888) >> 40) << 40) AS n
  FROM (SELECT {era} AS era, {at} AS at{keys}, unnest(c.latency_ms_hist) AS x
          FROM ledger.{table} AS c WHERE {where}) AS latencies
UNION ALL
SELECT era, at{names}, ((x + 549755813888) >> 40)::int + 4096, x - (((x + 549755813888) >> 40) << 40)
  FROM (SELECT {era} AS era, {at} AS at{keys}, unnest(c.ttft_ms_hist) AS x
          FROM ledger.{table} AS c WHERE {where}) AS ttfts

-- name: fact_durations
SELECT {era} AS era, {at} AS at{keys}, i, 1::bigint AS n
  FROM ledger.{table} AS c, LATERAL (VALUES (latency_index), (ttft_index + 4096)) AS h (i)
 WHERE {where} AND i IS NOT NULL

-- name: whole_durations
-- Both histograms of rows of which a step of the answer has few.
SELECT {era} AS era, {at} AS at{keys}, c.latency_ms_hist AS latency_hist, c.ttft_ms_hist AS ttft_hist
  FROM ledger.{table} AS c WHERE {where}

-- name: merged_durations
-- The same of rows of which there are many.
SELECT era, at{names}, {packed}
  FROM (SELECT era, at{names}, i, sum(n)::bigint AS n
          FROM ({durations}) AS cells
         GROUP BY era, at{names}, i
        HAVING sum(n) > 0) AS elements
 GROUP BY era, at{names}

-- name: no_durations
SELECT 0 AS era, '-infinity'::timestamptz AS at{keys}, 0 AS i, 0::bigint AS n WHERE false

-- name: nothing
SELECT 0 AS era, '-infinity'::timestamptz AS at{keys}, 0::bigint AS calls, 0::bigint AS errors,
       0::bigint AS unpriced_calls, 0::bigint AS estimated_calls, 0::bigint AS not_sent_calls,
       0::bigint AS uncached_input_tokens, 0::bigint AS cache_read_tokens, 0::bigint AS cache_write_5m_tokens,
       0::bigint AS cache_write_1h_tokens, 0::bigint AS output_tokens, 0::bigint AS reasoning_tokens,
       0::bigint AS input_audio_tokens, 0::bigint AS output_audio_tokens, 0::bigint AS input_image_tokens,
       0::numeric AS cost_usd, 0::numeric AS estimated_cost_usd WHERE false

-- name: summing
sum(calls)::bigint AS calls, sum(errors)::bigint AS errors, sum(unpriced_calls)::bigint AS unpriced_calls,
sum(estimated_calls)::bigint AS estimated_calls, sum(not_sent_calls)::bigint AS not_sent_calls,
sum(uncached_input_tokens)::bigint AS uncached_input_tokens, sum(cache_read_tokens)::bigint AS cache_read_tokens,
sum(cache_write_5m_tokens)::bigint AS cache_write_5m_tokens, sum(cache_write_1h_tokens)::bigint AS cache_write_1h_tokens,
sum(output_tokens)::bigint AS output_tokens, sum(reasoning_tokens)::bigint AS reasoning_tokens,
sum(input_audio_tokens)::bigint AS input_audio_tokens, sum(output_audio_tokens)::bigint AS output_audio_tokens,
sum(input_image_tokens)::bigint AS input_image_tokens, sum(cost_usd) AS cost_usd,
sum(estimated_cost_usd) AS estimated_cost_usd

-- name: columns
calls, errors, unpriced_calls, estimated_calls, not_sent_calls, uncached_input_tokens, cache_read_tokens,
cache_write_5m_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens, input_audio_tokens, output_audio_tokens,
input_image_tokens, cost_usd, estimated_cost_usd

-- name: tokens
-- All tokens of a call; reasoning is a part of the output.
(uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens + input_audio_tokens
 + input_image_tokens + output_tokens + output_audio_tokens)

-- name: rank_by_sum
SELECT names, sum({value}) AS value FROM grouped WHERE era = 0 GROUP BY names

-- name: rank_by_change
-- By how much more or less a group cost than in the period before.
SELECT names, abs(coalesce(sum(cost_usd) FILTER (WHERE era = 0), 0) - coalesce(sum(cost_usd) FILTER (WHERE era = 1), 0))
         AS value
  FROM grouped GROUP BY names

-- name: rank_by_p95
-- By what 95 % of the calls of a group do not exceed, in the whole period.
SELECT ARRAY[{names}]::text[] AS names, ledger.hist_quantile(array_agg((i::bigint << 40) + n), 0.95) AS value
  FROM elements WHERE era = 0 AND i < 2048 GROUP BY {by}

-- name: packed
-- Both histograms of a group.
array_agg((i::bigint << 40) + n) FILTER (WHERE i < 2048) AS latency_hist,
array_agg((i::bigint - 4096 << 40) + n) FILTER (WHERE i >= 2048) AS ttft_hist

-- name: every_group
sums AS (
  SELECT era, at, names, false AS other, 1::bigint AS members, {columns} FROM grouped
), hists AS MATERIALIZED (
  {hists}
)

-- name: hists_of_elements
SELECT era, at, ARRAY[{names}]::text[] AS names, false AS other, {packed} FROM elements GROUP BY era, at{keys}

-- name: hists_of_rows
-- A bucket may stand several times.
SELECT era, at, ARRAY[{names}]::text[] AS names, false AS other,
       ledger.hist_concat(coalesce(latency_hist, '{{}}')) AS latency_hist,
       ledger.hist_concat(coalesce(ttft_hist, '{{}}')) AS ttft_hist
  FROM ({durations}) AS cells GROUP BY era, at{keys}

-- name: top_groups
-- Groups beyond the first {top} of the period are summed as `other`.
top AS MATERIALIZED (
  SELECT names FROM ({ranking}) AS ranking ORDER BY value DESC NULLS LAST, names LIMIT {top}
), sums AS (
  SELECT era, at, coalesce(t.names, '{{}}') AS names, t.names IS NULL AS other, count(*) AS members,
         {summing}
    FROM grouped g LEFT JOIN top t ON t.names = g.names
   GROUP BY era, at, t.names
), hists AS (
  SELECT era, at, names, other, {packed}
    FROM (SELECT era, at, coalesce(t.names, '{{}}') AS names, t.names IS NULL AS other, i, sum(n)::bigint AS n
            FROM elements e LEFT JOIN top t ON t.names = ARRAY[{names}]::text[]
           GROUP BY era, at, t.names, i) AS merged
   GROUP BY era, at, names, other
)

-- name: question
-- Era 0 is the period, 1 the one before, whose times are moved into it. Rows come in the order (at, other, minus, names),
-- era by era, from after the cursor on.
WITH grouped AS MATERIALIZED (
  SELECT era, at, ARRAY[{names}]::text[] AS names, {summing}
    FROM ({cells}) AS cells
   GROUP BY era, at{keys}
  HAVING sum(calls) <> 0 OR sum(not_sent_calls) <> 0 OR sum(cost_usd) <> 0
), elements AS MATERIALIZED (
  SELECT era, at{keys}, i, sum(n)::bigint AS n
    FROM ({durations}) AS cells
   GROUP BY era, at{keys}, i
  HAVING sum(n) > 0
), {groups}, rows AS MATERIALIZED (
  SELECT * FROM sums LEFT JOIN hists USING (era, at, names, other)
), page AS (
  SELECT * FROM (SELECT at, other, names, -{worth} AS minus
                   FROM rows GROUP BY at, other, names) AS positions
   WHERE {after}
   ORDER BY at, other, minus, names LIMIT {limit}
)
SELECT nullif(at, '-infinity') AS at, other, names, minus, era, members, {columns}, latency_hist, ttft_hist
  FROM page JOIN rows USING (at, other, names)
 ORDER BY at, other, minus, names, era
