-- All users, from the conversations, as the stream workers keep them: one state for each partition.
INSERT INTO streams.users (part, key, version, touched_at, state)
SELECT part, tenant_id || E'\x1e' || user_id, calls, last_at,
       jsonb_build_object(
         'tenant_id', tenant_id, 'user_id', user_id, 'first_us', first_us, 'last_us', last_us,
         'sums', jsonb_build_object(
           'requests', requests, 'calls', calls, 'errors', errors, 'unpriced_calls', 0, 'estimated_calls', 0,
           'tokens', jsonb_build_array(uncached, cached, 0, 0, output, 0, 0, 0, 0), 'cost_usd', cost_usd::text,
           'estimated_cost_usd', '0'),
         'models', jsonb_build_object('gpt-4o', calls), 'other_model_calls', 0, 'scores', jsonb_build_object(),
         'other_scores', 0)
  FROM (
    SELECT part, tenant_id, user_id, max(touched_at) AS last_at, min((state->>'first_us')::bigint) AS first_us,
           max(last_us) AS last_us, sum((sums->>'requests')::bigint) AS requests, sum((sums->>'calls')::bigint) AS calls,
           sum((sums->>'errors')::bigint) AS errors, sum((sums->'tokens'->>0)::bigint) AS uncached,
           sum((sums->'tokens'->>1)::bigint) AS cached, sum((sums->'tokens'->>4)::bigint) AS output,
           sum(cost_usd) AS cost_usd
      FROM streams.conversations, LATERAL jsonb_object_keys(state->'users') AS user_id,
           LATERAL (SELECT state->'sums' AS sums) AS s
     GROUP BY 1, 2, 3) AS u
