-- What calls cost, how many tokens they took and how long; `{key}` is what they are grouped by, the total is `grand`.
-- $1, $2: from (included) and until (not included); $3 tenant, $4 provider, $5 model, $6 user, $7 conversation; null: any.
-- $8: how many groups at most, the dearest first.

-- name: from_rollups
WITH cells AS (
  SELECT {key} AS key, r.*
    FROM ledger.rollup_1m r
   WHERE ($1::timestamptz IS NULL OR bucket >= date_trunc('minute', $1))
     AND ($2::timestamptz IS NULL OR bucket < $2)
     AND ($3::text IS NULL OR tenant_id = $3)
     AND ($4::text IS NULL OR provider = $4)
     AND ($5::text IS NULL OR model = $5)
), sums AS (
  SELECT key, grouping(key) = 1 AS grand,
         coalesce(sum(calls), 0)::bigint AS calls,
         coalesce(sum(errors), 0)::bigint AS errors,
         coalesce(sum(unpriced_calls), 0)::bigint AS unpriced_calls,
         coalesce(sum(estimated_calls), 0)::bigint AS estimated_calls,
         coalesce(sum(not_sent_calls), 0)::bigint AS not_sent_calls,
         coalesce(sum(uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens + cache_write_1h_tokens
                      + input_audio_tokens + input_image_tokens), 0)::bigint AS input_tokens,
         coalesce(sum(cache_read_tokens), 0)::bigint AS cached_tokens,
         coalesce(sum(output_tokens + output_audio_tokens), 0)::bigint AS output_tokens,
         coalesce(sum(cost_usd), 0) AS cost_usd,
         coalesce(sum(estimated_cost_usd), 0) AS estimated_cost_usd
    FROM cells
   GROUP BY GROUPING SETS ((key), ())
), latency AS (
  SELECT key, grouping(key) = 1 AS grand, array_agg((i << 40) + n) AS hist
    FROM (SELECT key, (x + 549755813888) >> 40 AS i, sum(x - (((x + 549755813888) >> 40) << 40))::bigint AS n
            FROM cells, unnest(latency_ms_hist) AS x GROUP BY 1, 2) AS merged
   GROUP BY GROUPING SETS ((key), ())
), ttft AS (
  SELECT key, grouping(key) = 1 AS grand, array_agg((i << 40) + n) AS hist
    FROM (SELECT key, (x + 549755813888) >> 40 AS i, sum(x - (((x + 549755813888) >> 40) << 40))::bigint AS n
            FROM cells, unnest(ttft_ms_hist) AS x GROUP BY 1, 2) AS merged
   GROUP BY GROUPING SETS ((key), ())
)
SELECT s.*,
       ledger.hist_quantile(l.hist, 0.5) AS latency_p50_ms, ledger.hist_quantile(l.hist, 0.95) AS latency_p95_ms,
       ledger.hist_quantile(t.hist, 0.5) AS ttft_p50_ms, ledger.hist_quantile(t.hist, 0.95) AS ttft_p95_ms
  FROM sums s
  LEFT JOIN latency l ON l.key IS NOT DISTINCT FROM s.key AND l.grand = s.grand
  LEFT JOIN ttft t ON t.key IS NOT DISTINCT FROM s.key AND t.grand = s.grand
 ORDER BY s.grand DESC, {order}
 LIMIT $8 + 1

-- name: from_calls
SELECT {key} AS key, grouping({key}) = 1 AS grand,
       count(*) FILTER (WHERE status <> 'not_sent') AS calls,
       count(*) FILTER (WHERE status = 'error') AS errors,
       count(*) FILTER (WHERE status <> 'not_sent' AND cost_usd IS NULL) AS unpriced_calls,
       count(*) FILTER (WHERE status <> 'not_sent' AND cost_state = 'estimated') AS estimated_calls,
       count(*) FILTER (WHERE status = 'not_sent') AS not_sent_calls,
       coalesce(sum(coalesce(uncached_input_tokens, 0) + coalesce(cache_read_tokens, 0)
                    + coalesce(cache_write_5m_tokens, 0) + coalesce(cache_write_1h_tokens, 0)
                    + coalesce(input_audio_tokens, 0) + coalesce(input_image_tokens, 0)), 0)::bigint AS input_tokens,
       coalesce(sum(cache_read_tokens), 0)::bigint AS cached_tokens,
       coalesce(sum(coalesce(output_tokens, 0) + coalesce(output_audio_tokens, 0)), 0)::bigint AS output_tokens,
       coalesce(sum(cost_usd), 0) AS cost_usd,
       coalesce(sum(cost_usd) FILTER (WHERE cost_state = 'estimated'), 0) AS estimated_cost_usd,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY total_ms) AS latency_p50_ms,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY total_ms) AS latency_p95_ms,
       percentile_disc(0.5) WITHIN GROUP (ORDER BY ttft_ms) AS ttft_p50_ms,
       percentile_disc(0.95) WITHIN GROUP (ORDER BY ttft_ms) AS ttft_p95_ms
  FROM ledger.calls
 WHERE ($1::timestamptz IS NULL OR started_at >= $1)
   AND ($2::timestamptz IS NULL OR started_at < $2)
   AND ($3::text IS NULL OR tenant_id = $3)
   AND ($4::text IS NULL OR provider = $4)
   AND ($5::text IS NULL OR coalesce(response_model, request_model) = $5)
   AND ($6::text IS NULL OR user_id = $6)
   AND ($7::text IS NULL OR conversation_id = $7)
 GROUP BY GROUPING SETS (({key}), ())
 ORDER BY grand DESC, {order}
 LIMIT $8 + 1

-- name: adjustments
-- What was adjusted besides, by the day on which it counts, of which a part of a day takes the whole.
-- $1, $2: from (included) and until (not included); $3 tenant, $4 provider, $5 model; null: any.
SELECT count(*) AS count, coalesce(sum(amount_usd), 0) AS cost_usd
  FROM ledger.adjustments
 WHERE ($1::timestamptz IS NULL OR counts_on >= ($1 AT TIME ZONE 'UTC')::date)
   AND ($2::timestamptz IS NULL OR counts_on < $2 AT TIME ZONE 'UTC')
   AND ($3::text IS NULL OR tenant_id = $3)
   AND ($4::text IS NULL OR provider = $4)
   AND ($5::text IS NULL OR model = $5)

-- name: watermark
-- Every record of the topic appended up to this moment is in the ledger; null while a partition was never applied.
SELECT CASE WHEN count(*) = count(applied_until) THEN min(applied_until) END
  FROM (SELECT DISTINCT ON (part) applied_until FROM ledger.sink_offsets
         WHERE sink = 'ledger' AND topic = $1 ORDER BY part, log_epoch DESC) AS newest
