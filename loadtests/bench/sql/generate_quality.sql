-- The scores of the day that begins at $1, from its facts, as the stream workers keep them: every fifth answer was rated by
-- its user, and every second one was judged by a program.
INSERT INTO streams.quality (part, key, version, touched_at, state)
SELECT part, concat_ws(E'\x1e', day, tenant_id, provider, model, version, kind, name), n, last_at,
       jsonb_build_object(
         'dimensions', jsonb_build_object('day', day, 'tenant_id', tenant_id, 'provider', provider, 'model', model,
           'prompt_version', version, 'kind', kind, 'name', name),
         'judged', jsonb_build_object(
           'tally', jsonb_build_array(n, total, squares, ups, downs),
           'sums', jsonb_build_object('requests', n, 'calls', n, 'errors', 0, 'unpriced_calls', 0, 'estimated_calls', 0,
             'tokens', jsonb_build_array(uncached, cached, 0, 0, output, 0, 0, 0, 0), 'cost_usd', cost_usd::text,
             'estimated_cost_usd', '0')))
  FROM (
    SELECT topic_partition AS part, extract(epoch FROM $1::timestamptz)::bigint / 86400 AS day, tenant_id, provider,
           response_model AS model, prompt_version AS version, kind, name, count(*) AS n, max(started_at) AS last_at,
           sum(score) AS total, sum(score * score) AS squares, count(*) FILTER (WHERE score > 500000) AS ups,
           count(*) FILTER (WHERE score < 500000) AS downs, sum(uncached_input_tokens) AS uncached,
           sum(cache_read_tokens) AS cached, sum(output_tokens) AS output, sum(cost_usd) AS cost_usd
      FROM ledger.calls,
           LATERAL (VALUES ('user', 'rating', 5), ('automatic', 'judge', 2), ('automatic', 'relevance', 2))
             AS given (kind, name, every),
           LATERAL (SELECT topic_offset / every % 5 * 250000 AS score) AS scored
     WHERE started_at >= $1::timestamptz AND started_at < $1::timestamptz + interval '1 day'
       AND status = 'ok' AND topic_offset % every = 0
     GROUP BY 1, 2, 3, 4, 5, 6, 7, 8) AS s
