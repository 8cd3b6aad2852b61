-- The conversations of the day that begins at $1, from its facts, as the stream workers keep them; one in five is rated.
INSERT INTO streams.conversations (part, key, version, touched_at, state)
SELECT part, tenant_id || E'\x1e' || conversation_id, calls, last_at,
       jsonb_build_object(
         'tenant_id', tenant_id, 'conversation_id', conversation_id, 'first_us', first_us, 'last_us', last_us,
         'sums', jsonb_build_object(
           'requests', requests, 'calls', calls, 'errors', errors, 'unpriced_calls', 0, 'estimated_calls', 0,
           'tokens', jsonb_build_array(uncached, cached, 0, 0, output, 0, 0, 0, 0), 'cost_usd', cost_usd::text,
           'estimated_cost_usd', '0'),
         'models', jsonb_build_object(model, calls), 'other_model_calls', 0,
         'scores', CASE WHEN first_offset % 5 = 0
                        THEN jsonb_build_object('user:rating', jsonb_build_array(1, score, score * score,
                          (score > 500000)::int, (score < 500000)::int)) ELSE '{}' END,
         'other_scores', 0, 'users', jsonb_build_object(user_id, calls), 'other_user_calls', 0,
         'context', jsonb_build_object('turns', turns, 'total', read, 'weighted', 0, 'first', least_read, 'last',
           most_read, 'most', most_read, 'most_by_model', jsonb_build_object(model, most_read)),
         'growth', 8.0, 'earlier', jsonb_build_object('turns', 0, 'total', 0, 'weighted', 0, 'first', 0, 'last', 0,
           'most', 0, 'most_by_model', jsonb_build_object()),
         'recent', recent, 'floor', NULL, 'late_turns', 0)
  FROM (
    SELECT topic_partition AS part, tenant_id, conversation_id, user_id, response_model AS model, count(*) AS calls,
           count(*) FILTER (WHERE attempt = 1) AS requests, count(*) FILTER (WHERE status = 'error') AS errors,
           count(*) FILTER (WHERE status = 'ok') AS turns, max(started_at) AS last_at,
           (extract(epoch FROM min(started_at)) * 1000000)::bigint AS first_us,
           (extract(epoch FROM max(started_at)) * 1000000)::bigint AS last_us,
           sum(uncached_input_tokens) AS uncached, sum(cache_read_tokens) AS cached, sum(output_tokens) AS output,
           sum(uncached_input_tokens + cache_read_tokens) AS read, min(uncached_input_tokens) AS least_read,
           max(uncached_input_tokens + cache_read_tokens) AS most_read, sum(cost_usd) AS cost_usd,
           min(topic_offset) AS first_offset, min(topic_offset) / 5 % 5 * 250000 AS score,
           jsonb_agg(jsonb_build_array((extract(epoch FROM started_at) * 1000000)::bigint, request_id,
             uncached_input_tokens + cache_read_tokens, response_model) ORDER BY started_at)
             FILTER (WHERE status = 'ok') AS recent
      FROM ledger.calls
     WHERE started_at >= $1::timestamptz AND started_at < $1::timestamptz + interval '1 day'
     GROUP BY 1, 2, 3, 4, 5) AS c
