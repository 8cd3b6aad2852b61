-- $1 facts of calls of the day that begins at $2: half of them of one tenant, the rest of 19 others; conversations of 8
-- calls, each of one user, model and partition; 5,000 users, of whom some talk much more than others. One call in a
-- hundred fails and the next of its conversation is the same request again; one prompt in four was sent before.
INSERT INTO ledger.calls
  (call_id, revision, request_id, attempt, source, tenant_id, user_id, conversation_id, operation, provider,
   request_model, response_model, provider_response_id, status, error_type, usage_source, cost_usd, cost_state,
   price_version, started_at, tags, api_key_id, service_tier, experiment_id, variant_id, prompt_version, prompt_hash,
   uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
   reasoning_tokens, queue_ms, policy_ms, ttft_ms, total_ms, topic_partition, topic_offset)
SELECT gen_random_uuid(), 1, md5('request-' || day || '-' || CASE WHEN again THEN n - 8 ELSE n END)::uuid,
       1 + again::int, 'worker', tenant, 'user-' || u, 'conversation-' || day || '-' || c,
       'chat', 'openai', model, model, 'chatcmpl-' || n, CASE WHEN r < 0.01 THEN 'error' ELSE 'ok' END,
       CASE WHEN r < 0.005 THEN 'timeout' WHEN r < 0.01 THEN 'rate_limited' END, 'provider',
       ((100 + n % 3000) * 15 + (20 + n % 400) * 60) * 0.00000001, 'settled', 'bench',
       $2::timestamptz + n * (interval '1 day' / $1::int), '{"team": "search"}', 'key-' || t, 'default',
       CASE WHEN c % 10 = 0 THEN 'bench' END, CASE WHEN c % 10 = 0 THEN 'variant-' || c / 10 % 2 END, 'v' || c % 3,
       md5(CASE WHEN n % 4 = 0 THEN 'often-' || n / 4 % 20011 ELSE 'once-' || day || '-' || n END),
       100 + n % 3000, 128 * (n % 3), 0, 0, 20 + n % 400, 0, 2 + 80 * ru * ru, 0.5 + 4 * r, 50 + 400 * r * r,
       300 + 4000 * r * r, c % 8, n
  FROM generate_series(0, $1::int - 1) AS n,
       LATERAL (SELECT extract(epoch FROM $2::timestamptz)::bigint / 86400 AS day, n / 64 * 8 + n % 8 AS c,
                       (n::bigint * 7919 % 10007) / 10007.0::double precision AS r,
                       n % 64 >= 8 AND ((n::bigint - 8) * 7919 % 10007) / 10007.0::double precision < 0.01
                         AS again) AS drawn,
       LATERAL (SELECT greatest(0, c % 40 - 20) AS t, (c::bigint * 7919 % 10007) / 10007.0::double precision AS ru) AS d,
       LATERAL (SELECT 'analytics-' || lpad(t::text, 2, '0') AS tenant,
                       CASE WHEN t = 0 THEN floor(2500 * ru ^ 2) ELSE 2369 + 131 * t + floor(131 * ru ^ 2) END AS u) AS us,
       LATERAL (SELECT (ARRAY['gpt-4o-mini', 'gpt-4o', 'gpt-4.1-mini', 'gpt-4.1-nano'])[c / 40 % 4 + 1]) AS m(model)
