-- Recommendations as the stream workers keep them: 50 of each of 20 tenants.
WITH run AS (
  INSERT INTO streams.recommendation_runs (began, ended, watermark, found_at)
  VALUES (now() - interval '10 days', now(), now(), now()) ON CONFLICT DO NOTHING
)
INSERT INTO streams.recommendations (recommendation_id, tenant_id, kind, subject, saving_usd, evidence)
SELECT gen_random_uuid(), 'analytics-' || lpad(t::text, 2, '0'), 'cache_answers',
       jsonb_build_object('provider', 'openai', 'model', 'gpt-4o', 'prompt_hash', md5(t || '-' || n)),
       (t * 7 + n * 13) * 0.000123,
       jsonb_build_object('calls', n + 2, 'cost_usd', '0.01', 'first_at', '2026-01-01T00:00:00Z', 'last_at',
         '2026-01-02T00:00:00Z', 'look_at', jsonb_build_array(gen_random_uuid()))
  FROM generate_series(0, 19) AS t, generate_series(1, 50) AS n
