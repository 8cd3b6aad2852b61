-- Where the time of calls went. A statement is put together of sources, each of which has a part of the period.

-- name: parts
-- For each group and part (0 waiting, 1 policy, 2 first token, 3 streaming, 4 calls without a first token) how many calls
-- state it, how long it was in all, and its histogram.
SELECT name, part, sum(n)::bigint AS calls, sum(ms) AS total_ms,
       array_agg((i::bigint << 40) + n) FILTER (WHERE n > 0) AS hist
  FROM (SELECT name, part, i, sum(n)::bigint AS n, sum(ms) AS ms
          FROM ({sources}) AS sources
         GROUP BY name, part, i) AS buckets
 GROUP BY name, part
 ORDER BY name, part

-- name: of_sums
-- Of the hours or days $... in {table}; the bucket of a histogram is i, its count n.
SELECT name, part, ((x + 549755813888) >> 40)::int AS i, x - (((x + 549755813888) >> 40) << 40) AS n,
       0::double precision AS ms
  FROM (SELECT {name} AS name, part, unnest(ms_hist) AS x FROM ledger.{table} WHERE {where}) AS histograms
UNION ALL
SELECT {name}, part, NULL, 0, ms FROM ledger.{table} WHERE {where}

-- name: of_facts
SELECT {name} AS name, part, ledger.hist_index(ms) AS i, 1::bigint AS n, ms FROM ledger.call_parts WHERE {where}

-- name: none
SELECT NULL::text AS name, 0 AS part, 0 AS i, 0::bigint AS n, 0::double precision AS ms WHERE false
