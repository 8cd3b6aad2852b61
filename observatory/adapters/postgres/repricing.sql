-- Jobs that cost facts again. `{period}` is which facts a job is about; $1 since, $2 until, $3 tenant, $4 model.

-- name: period
(c.started_at >= $1 OR $1::timestamptz IS NULL) AND c.started_at < $2
  AND (c.tenant_id = $3 OR $3::text IS NULL) AND (coalesce(c.response_model, c.request_model) = $4 OR $4::text IS NULL)

-- name: count
SELECT count(*) FROM ledger.calls AS c WHERE {period}

-- name: facts
-- Those after the cursor ($5, $6), in its order.
SELECT c.call_id, c.started_at, c.revision, c.tenant_id, c.provider, c.request_model, c.response_model, c.region,
       c.service_tier, c.usage_source, c.cost_usd, c.price_version,
       c.uncached_input_tokens, c.cache_read_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens,
       c.output_tokens, c.reasoning_tokens, c.input_audio_tokens, c.output_audio_tokens, c.input_image_tokens
  FROM ledger.calls AS c
 WHERE {period} AND ($5::timestamptz IS NULL OR (c.started_at >= $5 AND (c.started_at, c.call_id) > ($5, $6::uuid)))
 ORDER BY c.started_at, c.call_id

-- name: changed
-- Those that the job has not costed in their present revision.
SELECT c.call_id, c.started_at, c.revision, c.tenant_id, c.provider, c.request_model, c.response_model, c.region,
       c.service_tier, c.usage_source, c.cost_usd, c.price_version,
       c.uncached_input_tokens, c.cache_read_tokens, c.cache_write_5m_tokens, c.cache_write_1h_tokens,
       c.output_tokens, c.reasoning_tokens, c.input_audio_tokens, c.output_audio_tokens, c.input_image_tokens
  FROM ledger.calls AS c
  LEFT JOIN ledger.repriced_calls AS r ON r.job_id = $5 AND r.started_at = c.started_at AND r.call_id = c.call_id
 WHERE {period} AND r.revision IS DISTINCT FROM c.revision

-- name: count_stale
-- Facts that came or changed since the job costed them. A call that no longer belongs to the job, its model having
-- become known, stays as it was costed.
SELECT count(*)
  FROM ledger.calls AS c
  LEFT JOIN ledger.repriced_calls AS r ON r.job_id = $5 AND r.started_at = c.started_at AND r.call_id = c.call_id
 WHERE {period} AND r.revision IS DISTINCT FROM c.revision

-- name: create_job
INSERT INTO ledger.repricing_jobs
  (since, until, tenant_id, model, asked, price_version, overrides, overrides_name, expected_calls)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *

-- name: job
SELECT * FROM ledger.repricing_jobs WHERE job_id = $1

-- name: jobs
SELECT * FROM ledger.repricing_jobs WHERE $2::text IS NULL OR tenant_id = $2 ORDER BY job_id DESC LIMIT $1

-- name: unfinished
SELECT * FROM ledger.repricing_jobs WHERE asked = $1 AND state = 'running' ORDER BY job_id DESC LIMIT 1

-- name: only_one_runner
SELECT pg_try_advisory_lock(hashtextextended('ledger.repricing_jobs ' || $1::bigint, 0))

-- name: sort_in_memory
SET LOCAL work_mem = '128MB'

-- name: commit_without_waiting
SET LOCAL synchronous_commit = off

-- name: advance
-- Moves the cursor from where it was read ($2, $3) and adds to the totals.
UPDATE ledger.repricing_jobs
   SET cursor_started_at = $4, cursor_call_id = $5, calls = calls + $6,
       unpriced_before = unpriced_before + $7, unpriced_after = unpriced_after + $8,
       cost_before_usd = cost_before_usd + $9, cost_after_usd = cost_after_usd + $10, updated_at = now()
 WHERE job_id = $1 AND cursor_started_at IS NOT DISTINCT FROM $2 AND cursor_call_id IS NOT DISTINCT FROM $3

-- name: take_back
-- The rows of calls that are costed again, with what they had added to the totals.
WITH gone AS (
  DELETE FROM ledger.repriced_calls AS r USING unnest($2::timestamptz[], $3::uuid[]) AS k(started_at, call_id)
   WHERE r.job_id = $1 AND r.started_at = k.started_at AND r.call_id = k.call_id
  RETURNING r.cost_before_usd, r.cost_usd
)
SELECT count(*) AS calls, count(*) FILTER (WHERE cost_before_usd IS NULL) AS unpriced_before,
       count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_after,
       coalesce(sum(cost_before_usd), 0) AS cost_before_usd, coalesce(sum(cost_usd), 0) AS cost_after_usd
  FROM gone

-- name: recost
UPDATE ledger.repricing_jobs
   SET calls = calls + $2, unpriced_before = unpriced_before + $3, unpriced_after = unpriced_after + $4,
       cost_before_usd = cost_before_usd + $5, cost_after_usd = cost_after_usd + $6,
       recosted_calls = recosted_calls + $7, updated_at = now()
 WHERE job_id = $1

-- name: finish
UPDATE ledger.repricing_jobs SET state = 'done', finished_at = coalesce(finished_at, now()), updated_at = now()
 WHERE job_id = $1 RETURNING *

-- name: report
SELECT tenant_id, model, grouping(tenant_id) = 1 AS grand, count(*) AS calls,
       count(*) FILTER (WHERE cost_before_usd IS NULL) AS unpriced_before,
       count(*) FILTER (WHERE cost_usd IS NULL) AS unpriced_after,
       coalesce(sum(cost_before_usd), 0) AS cost_before_usd, coalesce(sum(cost_usd), 0) AS cost_after_usd,
       coalesce(sum(cost_usd), 0) - coalesce(sum(cost_before_usd), 0) AS difference_usd
  FROM ledger.repriced_calls WHERE job_id = $1
 GROUP BY GROUPING SETS ((tenant_id, model), ())
 ORDER BY grand DESC, abs(coalesce(sum(cost_usd), 0) - coalesce(sum(cost_before_usd), 0)) DESC, tenant_id, model

-- name: remove_job
WITH calls AS (DELETE FROM ledger.repriced_calls WHERE job_id = $1)
DELETE FROM ledger.repricing_jobs WHERE job_id = $1 RETURNING job_id
