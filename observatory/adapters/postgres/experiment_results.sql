-- What came of an experiment's units, over all partitions.

-- name: variants
-- $1 tenant, $2 experiment, $3 versions, $4: units count whose first call started no later (microseconds since 1970).
-- A unit with calls in several variants tells nothing: such units are counted under no variant. Values are one a unit;
-- cost in US dollars, latency in ms, errors and feedback from 0 to 1.
WITH units AS (
  SELECT unit, min(variant_id) AS variant_id, count(DISTINCT variant_id) > 1 AS mixed, min(first_us) <= $4 AS counts,
         sum(requests) AS requests, sum(failed) AS failed, sum(calls) AS calls, sum(unpriced_calls) AS unpriced_calls,
         sum(cost_usd) AS cost_usd, sum(answered) AS answered, sum(latency_us) AS latency_us, sum(ratings) AS ratings,
         sum(rating_millionths) AS rating_millionths
    FROM streams.experiment_units
   WHERE tenant_id = $1 AND experiment_id = $2 AND experiment_version = ANY ($3::int[])
   GROUP BY unit
  HAVING sum(requests) > 0
), valued AS (
  SELECT CASE WHEN NOT mixed THEN variant_id END AS variant_id, counts, requests, calls, unpriced_calls, cost_usd,
         CASE WHEN unpriced_calls = 0 THEN cost_usd END AS cost,
         CASE WHEN answered > 0 THEN latency_us / 1000.0 / answered END AS latency,
         failed / requests AS errors,
         CASE WHEN ratings > 0 THEN rating_millionths / 1000000.0 / ratings END AS feedback
    FROM units
)
SELECT variant_id, count(*) FILTER (WHERE counts) AS exposed, count(*) FILTER (WHERE NOT counts) AS young,
       coalesce(sum(requests) FILTER (WHERE counts), 0)::bigint AS requests,
       coalesce(sum(calls) FILTER (WHERE counts), 0)::bigint AS calls,
       coalesce(sum(cost_usd) FILTER (WHERE counts), 0) AS cost_usd,
       count(*) FILTER (WHERE counts AND unpriced_calls > 0) AS unpriced_units,
       count(cost) FILTER (WHERE counts) AS cost_units,
       coalesce(sum(cost) FILTER (WHERE counts), 0) AS cost_total,
       coalesce(sum(cost * cost) FILTER (WHERE counts), 0) AS cost_squares,
       count(latency) FILTER (WHERE counts) AS latency_units,
       coalesce(sum(latency) FILTER (WHERE counts), 0) AS latency_total,
       coalesce(sum(latency * latency) FILTER (WHERE counts), 0) AS latency_squares,
       count(errors) FILTER (WHERE counts) AS errors_units,
       coalesce(sum(errors) FILTER (WHERE counts), 0) AS errors_total,
       coalesce(sum(errors * errors) FILTER (WHERE counts), 0) AS errors_squares,
       count(feedback) FILTER (WHERE counts) AS feedback_units,
       coalesce(sum(feedback) FILTER (WHERE counts), 0) AS feedback_total,
       coalesce(sum(feedback * feedback) FILTER (WHERE counts), 0) AS feedback_squares
  FROM valued
 GROUP BY variant_id;
