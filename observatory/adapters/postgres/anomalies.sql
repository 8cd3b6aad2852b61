-- Anomalies: closed windows added up over partitions, what is known of each series, and the calls to look at.

-- name: window_sums
-- Windows of $3 seconds by tenant, provider and model from second $1 up to, not including, $2. Cells without names: of
-- what found no place.
SELECT $1 + (second - $1) / $3 * $3 AS start_s, tenant_id, provider, model, sum(calls)::bigint AS calls,
       sum(errors)::bigint AS errors, sum(input_tokens + output_tokens)::bigint AS tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(cost_usd) AS cost_usd,
       ledger.hist_union(latency_ms_hist) AS latency_ms_hist
  FROM streams.window_cells WHERE second >= $1 AND second < $2
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4

-- name: series
-- Those that are remembered in the form of version $1.
SELECT tenant_id, model, state::text FROM streams.anomaly_series WHERE (state->>'version')::int = $1 ORDER BY tenant_id, model

-- name: save_series
INSERT INTO streams.anomaly_series (tenant_id, model, state)
SELECT tenant_id, model, state::jsonb FROM unnest($1::text[], $2::text[], $3::text[]) AS s (tenant_id, model, state)
ON CONFLICT (tenant_id, model) DO UPDATE SET state = excluded.state, updated_at = now()

-- name: delete_series
DELETE FROM streams.anomaly_series s USING unnest($1::text[], $2::text[]) AS d (tenant_id, model)
 WHERE s.tenant_id = d.tenant_id AND s.model = d.model

-- name: calls_to_look_at
-- Of tenant $1 and model $2, ended from $3 until $4: those that the metric $5 is about most, at most $6.
SELECT call_id FROM ledger.calls
 WHERE tenant_id = $1 AND started_at >= $3::timestamptz - interval '15 minutes' AND started_at < $4
   AND coalesce(ended_at, started_at) >= $3
   AND regexp_replace(coalesce(response_model, request_model), '-(20\d{2}-\d{2}-\d{2}|20\d{6})$', '') = $2
   AND ($5 <> 'error_rate' OR status = 'error')
 ORDER BY CASE $5
            WHEN 'cost_rate' THEN cost_usd
            WHEN 'latency_p95' THEN total_ms::numeric
            WHEN 'tokens_per_call' THEN (uncached_input_tokens + cache_read_tokens + cache_write_5m_tokens
              + cache_write_1h_tokens + output_tokens)::numeric
            ELSE extract(epoch FROM started_at)
          END DESC NULLS LAST, call_id
 LIMIT $6

-- name: page
-- Anomalies that stood at any time from $1 until $2; newest first after ($3, $4). $5: tenants, none: all; $6: whether
-- they must stand (true), be over (false) or either (null); $7: metric or null; $8: model or null.
SELECT alert_id, severity, tenant_id, message, details::text, latest::text, raised_at, resolved_at
  FROM ledger.alerts
 WHERE kind = 'anomaly' AND raised_at < $2 AND (resolved_at IS NULL OR resolved_at >= $1)
   AND ($3::timestamptz IS NULL OR (raised_at, alert_id) < ($3, $4::uuid))
   AND (cardinality($5::text[]) = 0 OR tenant_id = ANY ($5))
   AND ($6::boolean IS NULL OR (resolved_at IS NULL) = $6)
   AND ($7::text IS NULL OR details->>'metric' = $7)
   AND ($8::text IS NULL OR details->>'model' = $8)
 ORDER BY raised_at DESC, alert_id DESC LIMIT $9

-- name: watermark
SELECT to_timestamp(position) FROM streams.cursors WHERE name = 'anomalies'
