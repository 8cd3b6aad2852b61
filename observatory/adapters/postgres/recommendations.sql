-- What could be saved: the figures that it is read from, and what was found.

-- name: settings
SELECT set_config('work_mem', '128MB', true), set_config('jit', 'off', true)

-- name: repeated_prompts
-- $1, $2: period; $3: how many of a tenant, $4: of all. Of each prompt one answer has to be paid, here the dearest one.
SELECT tenant_id, provider, model, prompt_hash, calls, cost_usd, dearest_usd, first_at, last_at
  FROM (SELECT *, row_number() OVER (PARTITION BY tenant_id ORDER BY cost_usd - dearest_usd DESC, prompt_hash) AS place
          FROM (SELECT tenant_id, provider, coalesce(response_model, request_model) AS model, prompt_hash,
                       count(*) AS calls, sum(cost_usd) AS cost_usd, max(cost_usd) AS dearest_usd,
                       min(started_at) AS first_at, max(started_at) AS last_at
                  FROM ledger.calls
                 WHERE started_at >= $1 AND started_at < $2 AND status = 'ok' AND operation = 'chat'
                   AND prompt_hash IS NOT NULL AND cost_usd > 0
                 GROUP BY 1, 2, 3, 4
                HAVING count(*) > 1) AS asked) AS ranked
 WHERE place <= $3
 ORDER BY cost_usd - dearest_usd DESC, tenant_id, prompt_hash LIMIT $4

-- name: calls_of_prompts
-- $1, $2: period; $3 to $6: tenants, providers, models, prompts; $7: how many calls of each.
-- All are found in one reading of the period.
SELECT tenant_id, provider, model, prompt_hash, call_id
  FROM (SELECT w.*, c.call_id,
               row_number() OVER (PARTITION BY w.tenant_id, w.provider, w.model, w.prompt_hash
                                  ORDER BY c.started_at, c.call_id) AS place
          FROM unnest($3::text[], $4::text[], $5::text[], $6::text[]) AS w (tenant_id, provider, model, prompt_hash)
          JOIN ledger.calls AS c
            ON c.tenant_id = w.tenant_id AND c.provider = w.provider AND c.prompt_hash = w.prompt_hash
               AND coalesce(c.response_model, c.request_model) = w.model
         WHERE c.started_at >= $1 AND c.started_at < $2
           AND c.status = 'ok' AND c.operation = 'chat' AND c.cost_usd > 0) AS found
 WHERE place <= $7
 ORDER BY place

-- name: uncached_contexts
-- $1, $2: period; $3: the least prompt that a provider caches; $4: for how long it keeps it; $5: how many rows.
-- A call repeats at most what the call before it in its conversation had sent, and only while that is kept.
WITH sent AS (
  SELECT tenant_id, provider, coalesce(response_model, request_model) AS model, request_model, service_tier, region,
         started_at, conversation_id, uncached_input_tokens AS tokens, output_tokens,
         CASE WHEN started_at - lag(started_at) OVER turns <= $4
              THEN least(uncached_input_tokens, lag(uncached_input_tokens) OVER turns) ELSE 0 END AS repeated
    FROM ledger.calls
   WHERE started_at >= $1 AND started_at < $2 AND status = 'ok' AND operation = 'chat'
     AND conversation_id IS NOT NULL AND cache_read_tokens = 0 AND uncached_input_tokens >= $3
  WINDOW turns AS (PARTITION BY tenant_id, conversation_id, provider, coalesce(response_model, request_model)
                   ORDER BY started_at, call_id)
)
SELECT tenant_id, provider, model, request_model, service_tier, region, min(started_at) AS first_at,
       count(*) AS calls, count(DISTINCT conversation_id) AS conversations, sum(tokens)::bigint AS input_tokens,
       sum(repeated)::bigint AS repeated_tokens, sum(output_tokens)::bigint AS output_tokens
  FROM sent
 GROUP BY tenant_id, provider, model, request_model, service_tier, region, date_trunc('day', started_at, 'UTC')
HAVING sum(repeated) > 0
 ORDER BY sum(repeated) DESC, tenant_id, provider, model LIMIT $5

-- name: largest_calls
-- $1, $2: period; $3: the least prompt; $4, $5, $6: tenants, providers, models; $7: how many calls of each.
-- All are found in one reading of the period.
SELECT tenant_id, provider, model, call_id
  FROM (SELECT w.*, c.call_id,
               row_number() OVER (PARTITION BY w.tenant_id, w.provider, w.model
                                  ORDER BY c.uncached_input_tokens DESC, c.call_id) AS place
          FROM unnest($4::text[], $5::text[], $6::text[]) AS w (tenant_id, provider, model)
          JOIN ledger.calls AS c
            ON c.tenant_id = w.tenant_id AND c.provider = w.provider
               AND coalesce(c.response_model, c.request_model) = w.model
         WHERE c.started_at >= $1 AND c.started_at < $2 AND c.status = 'ok'
           AND c.conversation_id IS NOT NULL AND c.cache_read_tokens = 0 AND c.uncached_input_tokens >= $3) AS found
 WHERE place <= $7
 ORDER BY place

-- name: use_of_models
-- $1, $2: period; $3, $4: tenants and the models that they asked for. By day, since prices change with days.
SELECT c.tenant_id, c.provider, c.request_model AS model, c.service_tier, c.region, min(c.started_at) AS first_at,
       count(*) AS calls, sum(c.cost_usd) AS cost_usd,
       sum(c.uncached_input_tokens)::bigint AS uncached_input_tokens,
       sum(c.cache_read_tokens)::bigint AS cache_read_tokens,
       sum(c.cache_write_5m_tokens)::bigint AS cache_write_5m_tokens,
       sum(c.cache_write_1h_tokens)::bigint AS cache_write_1h_tokens,
       sum(c.output_tokens)::bigint AS output_tokens
  FROM ledger.calls AS c JOIN unnest($3::text[], $4::text[]) AS w (tenant_id, model)
    ON c.tenant_id = w.tenant_id AND c.request_model = w.model
 WHERE c.started_at >= $1 AND c.started_at < $2 AND c.status = 'ok' AND c.operation = 'chat'
   AND c.cost_usd IS NOT NULL AND c.output_tokens IS NOT NULL
   AND c.input_audio_tokens IS NULL AND c.output_audio_tokens IS NULL AND c.input_image_tokens IS NULL
 GROUP BY c.tenant_id, c.provider, c.request_model, c.service_tier, c.region, date_trunc('day', c.started_at, 'UTC')
 ORDER BY c.tenant_id, c.provider, c.request_model, first_at

-- name: only_one_run
SELECT pg_advisory_xact_lock(7305117215)

-- name: forget
DELETE FROM streams.recommendations

-- name: note_run
INSERT INTO streams.recommendation_runs AS r (began, ended, watermark, found_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (only_one) DO UPDATE
SET began = excluded.began, ended = excluded.ended, watermark = excluded.watermark, found_at = excluded.found_at

-- name: last_run
SELECT began, ended, watermark, found_at FROM streams.recommendation_runs

-- name: page
-- $1: tenants or null, $2: kind or null; $3, $4: the row before the page or null; $5: how many.
SELECT recommendation_id, tenant_id, kind, subject, saving_usd, evidence FROM streams.recommendations
 WHERE ($1::text[] IS NULL OR tenant_id = ANY ($1)) AND ($2::text IS NULL OR kind = $2)
   AND ($3::numeric IS NULL OR saving_usd < $3 OR (saving_usd = $3 AND recommendation_id > $4))
 ORDER BY saving_usd DESC, recommendation_id LIMIT $5
