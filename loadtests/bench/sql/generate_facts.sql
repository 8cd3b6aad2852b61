-- $1 facts of calls, 500 a second up to $2, of 20 tenants and 4 models; the tokens vary as those of real calls do.
INSERT INTO ledger.calls
  (call_id, revision, request_id, attempt, source, tenant_id, user_id, operation, provider, request_model,
   response_model, provider_response_id, status, usage_source, cost_usd, cost_state, price_version, started_at,
   service_tier, uncached_input_tokens, cache_read_tokens, cache_write_5m_tokens, cache_write_1h_tokens, output_tokens,
   reasoning_tokens, total_ms, topic_partition, topic_offset)
SELECT gen_random_uuid(), 1, gen_random_uuid(), 1, 'worker', 'bench-' || lpad((n / 4 % 20)::text, 2, '0'), 'user-' || n % 5000,
       'chat', 'openai', model, model, 'chatcmpl-' || n, 'ok', 'provider', 0.00123, 'settled', 'bench',
       $2::timestamptz - n * interval '2 milliseconds', 'default', 100 + n % 3000, 128 * (n % 3), 0, 0, 20 + n % 400,
       0, 300 + n % 4000, 0, n
  FROM generate_series(0, $1::int - 1) AS n,
       LATERAL (SELECT (ARRAY['gpt-4o-mini', 'gpt-4o', 'gpt-4.1-mini', 'gpt-4.1-nano'])[n % 4 + 1]) AS m(model)
