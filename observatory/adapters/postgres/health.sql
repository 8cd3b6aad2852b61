-- The health of providers: what they served in the last minute, and how each was when it was last looked at.

-- name: measured
-- By provider and model, in the $2 seconds before second $1; `recent`: in the last $3 of them.
SELECT provider, model, sum(calls)::bigint AS calls, sum(errors)::bigint AS errors, sum(faults)::bigint AS faults,
       coalesce(sum(calls) FILTER (WHERE second >= $1::bigint - $3::bigint), 0)::bigint AS recent_calls,
       coalesce(sum(faults) FILTER (WHERE second >= $1::bigint - $3::bigint), 0)::bigint AS recent_faults,
       ledger.hist_union(latency_ms_hist) AS latency_ms_hist
  FROM streams.window_cells WHERE second >= $1::bigint - $2::bigint AND second < $1::bigint AND provider <> ''
 GROUP BY 1, 2 ORDER BY 1, 2

-- name: states
SELECT provider, state::text, measured_until FROM streams.provider_health ORDER BY provider

-- name: save
INSERT INTO streams.provider_health (provider, state, measured_until)
SELECT provider, state::jsonb, $3 FROM unnest($1::text[], $2::text[]) AS s (provider, state)
ON CONFLICT (provider) DO UPDATE SET state = excluded.state, measured_until = excluded.measured_until
 WHERE provider_health.measured_until < excluded.measured_until
RETURNING provider

-- name: forget
DELETE FROM streams.provider_health WHERE provider = ANY ($1::text[]) AND measured_until < $2

