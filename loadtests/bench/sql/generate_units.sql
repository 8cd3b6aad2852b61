-- The experiment of the largest tenant's facts and its units, which are conversations, as the stream workers keep them.
WITH experiment AS (
  INSERT INTO app.experiments (tenant_id, experiment_id, state, started_at)
  VALUES ('analytics-00', 'bench', 'running', now() - interval '40 days')
), version AS (
  INSERT INTO app.experiment_versions (tenant_id, experiment_id, version, definition)
  VALUES ('analytics-00', 'bench', 1, '{"unit": "conversation", "variants": [{"name": "variant-0"}, {"name": "variant-1"}]}')
)
INSERT INTO streams.experiment_units (part, key, version, touched_at, state)
SELECT part, concat_ws(E'\x1e', tenant_id, 'bench', 1, variant, conversation_id), 1, touched_at,
       jsonb_build_object(
         'tenant_id', tenant_id, 'experiment_id', 'bench', 'experiment_version', 1, 'variant_id', variant,
         'unit', conversation_id, 'first_us', state->'first_us', 'requests', sums->'requests', 'failed', 0,
         'calls', sums->'calls', 'unpriced_calls', 0, 'cost_usd', cost_usd::text, 'answered', sums->'requests',
         'latency_us', 1200000, 'ratings', (rating IS NOT NULL)::int, 'rating_millionths',
         coalesce(rating * 1000000, 0)::bigint)
  FROM streams.conversations,
       LATERAL (SELECT state->'sums' AS sums, split_part(conversation_id, '-', 3)::int AS c) AS s,
       LATERAL (SELECT 'variant-' || c / 10 % 2 AS variant) AS v
 WHERE tenant_id = 'analytics-00' AND c % 10 = 0
