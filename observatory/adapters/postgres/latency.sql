-- Where the time of calls went.

-- name: parts
-- Of the calls that were sent in a period: for each group and part (0 waiting, 1 policy, 2 first token, 3 streaming, 4 calls
-- without a first token) how many state it, how long it was in all, and its histogram.
SELECT names, part, sum(n)::bigint AS calls, sum(ms) AS total_ms, array_agg((i::bigint << 40) + n) AS hist
  FROM (SELECT names, part, ledger.hist_index(ms) AS i, count(*) AS n, sum(ms) AS ms
          FROM (SELECT ARRAY[{keys}]::text[] AS names, p.part, p.ms
                  FROM ledger.calls AS c, LATERAL (VALUES
                    (0, queue_ms), (1, policy_ms), (2, ttft_ms),
                    (3, CASE WHEN ttft_ms IS NOT NULL THEN greatest(total_ms - ttft_ms, 0) END),
                    (4, CASE WHEN ttft_ms IS NULL THEN total_ms END)) AS p (part, ms)
                 WHERE started_at >= $1 AND started_at < $2 AND status <> 'not_sent' AND {where}
                   AND p.ms IS NOT NULL) AS parts
         GROUP BY names, part, i) AS buckets
 GROUP BY names, part
 ORDER BY names, part
