-- The one-minute rollups of the day that begins at $1, from its facts, as the ledger writes them; an index may stand
-- twice in a histogram, which says the same.
INSERT INTO ledger.rollup_1m
SELECT bucket, tenant_id, provider, model, operation, part, sum(calls)::bigint, sum(errors)::bigint, 0, 0, 0,
       sum(uncached)::bigint, sum(cached)::bigint, 0, 0, sum(output)::bigint, 0, 0, 0, 0, sum(cost_usd), 0,
       array_agg((latency << 40) + calls ORDER BY latency), array_agg((ttft << 40) + calls ORDER BY ttft)
  FROM (
    SELECT date_trunc('minute', started_at) AS bucket, tenant_id, provider, response_model AS model, operation,
           topic_partition AS part, (ceil(ln(total_ms) / ln(2::double precision) * 32) - 1)::bigint AS latency,
           (ceil(ln(ttft_ms) / ln(2::double precision) * 32) - 1)::bigint AS ttft, count(*) AS calls,
           count(*) FILTER (WHERE status = 'error') AS errors, sum(uncached_input_tokens) AS uncached,
           sum(cache_read_tokens) AS cached, sum(output_tokens) AS output, sum(cost_usd) AS cost_usd
      FROM ledger.calls
     WHERE started_at >= $1::timestamptz AND started_at < $1::timestamptz + interval '1 day'
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) AS counted
 GROUP BY 1, 2, 3, 4, 5, 6
