-- What came of an experiment's units. One of the first two begins the statement, `variants` ends it.
-- $1 tenant, $2 experiment, $3 versions, $4: units count whose first call started no later (microseconds since 1970).

-- name: for_many_units
-- What units add up to stays in memory for hundreds of thousands of them; compiling the statement takes as long as it.
SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true)

-- name: units_in_one_partition
-- Each unit has one row: workers gave it one variant, and its calls have one key.
WITH units AS (
  SELECT variant_id, false AS mixed, first_us, requests, failed, calls, unpriced_calls, cost_usd, answered,
         latency_us::float8 AS latency_us, ratings, rating_millionths::float8 AS rating_millionths
    FROM streams.experiment_units
   WHERE tenant_id = $1 AND experiment_id = $2 AND experiment_version = ANY ($3::int[]) AND requests > 0
)

-- name: units_anywhere
-- Calls of a unit may be in several partitions, and under several variants where clients assign: these tell nothing.
-- Sums of small integers and of floats need a tenth of the memory that those of large integers do.
WITH units AS (
  SELECT min(variant_id) AS variant_id, min(variant_id) <> max(variant_id) AS mixed, min(first_us) AS first_us,
         sum(requests::int) AS requests, sum(failed::int) AS failed, sum(calls::int) AS calls,
         sum(unpriced_calls::int) AS unpriced_calls, sum(cost_usd) AS cost_usd, sum(answered::int) AS answered,
         sum(latency_us::float8) AS latency_us, sum(ratings::int) AS ratings,
         sum(rating_millionths::float8) AS rating_millionths
    FROM streams.experiment_units
   WHERE tenant_id = $1 AND experiment_id = $2 AND experiment_version = ANY ($3::int[])
   GROUP BY unit
  HAVING sum(requests::int) > 0
)

-- name: variants
-- A row a variant; units with calls in several come under none. Values are one a unit, statistics and no money: cost in
-- US dollars, latency in ms, errors and feedback from 0 to 1.
, valued AS (
  SELECT CASE WHEN NOT mixed THEN variant_id END AS variant_id, first_us <= $4 AS counts, requests, calls,
         unpriced_calls, cost_usd,
         CASE WHEN unpriced_calls = 0 THEN cost_usd::float8 END AS cost,
         CASE WHEN answered > 0 THEN latency_us / 1000 / answered END AS latency,
         failed::float8 / requests AS errors,
         CASE WHEN ratings > 0 THEN rating_millionths / 1000000 / ratings END AS feedback
    FROM units
)
SELECT variant_id, coalesce(sum(units) FILTER (WHERE counts), 0)::bigint AS exposed,
       coalesce(sum(units) FILTER (WHERE NOT counts), 0)::bigint AS young,
       coalesce(sum(requests) FILTER (WHERE counts), 0)::bigint AS requests,
       coalesce(sum(calls) FILTER (WHERE counts), 0)::bigint AS calls,
       coalesce(sum(cost_usd) FILTER (WHERE counts), 0) AS cost_usd,
       coalesce(sum(unpriced_units) FILTER (WHERE counts), 0)::bigint AS unpriced_units,
       coalesce(sum(cost_units) FILTER (WHERE counts), 0)::bigint AS cost_units,
       coalesce(sum(cost_total) FILTER (WHERE counts), 0) AS cost_total,
       coalesce(sum(cost_squares) FILTER (WHERE counts), 0) AS cost_squares,
       coalesce(sum(latency_units) FILTER (WHERE counts), 0)::bigint AS latency_units,
       coalesce(sum(latency_total) FILTER (WHERE counts), 0) AS latency_total,
       coalesce(sum(latency_squares) FILTER (WHERE counts), 0) AS latency_squares,
       coalesce(sum(errors_units) FILTER (WHERE counts), 0)::bigint AS errors_units,
       coalesce(sum(errors_total) FILTER (WHERE counts), 0) AS errors_total,
       coalesce(sum(errors_squares) FILTER (WHERE counts), 0) AS errors_squares,
       coalesce(sum(feedback_units) FILTER (WHERE counts), 0)::bigint AS feedback_units,
       coalesce(sum(feedback_total) FILTER (WHERE counts), 0) AS feedback_total,
       coalesce(sum(feedback_squares) FILTER (WHERE counts), 0) AS feedback_squares
  FROM (
    -- Two rows a variant: nothing is asked of each unit that can be asked of these.
    SELECT variant_id, counts, count(*) AS units, sum(requests) AS requests, sum(calls) AS calls,
           sum(cost_usd) AS cost_usd, count(*) FILTER (WHERE unpriced_calls > 0) AS unpriced_units,
           count(cost) AS cost_units, sum(cost) AS cost_total, sum(cost * cost) AS cost_squares,
           count(latency) AS latency_units, sum(latency) AS latency_total, sum(latency * latency) AS latency_squares,
           count(*) AS errors_units, sum(errors) AS errors_total, sum(errors * errors) AS errors_squares,
           count(feedback) AS feedback_units, sum(feedback) AS feedback_total,
           sum(feedback * feedback) AS feedback_squares
      FROM valued
     GROUP BY variant_id, counts
  ) AS grouped
 GROUP BY variant_id
