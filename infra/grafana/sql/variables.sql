-- What the choices at the head of a dashboard offer.

-- name: tenant
SELECT DISTINCT tenant_id FROM ledger.rollup_1m WHERE $__timeFilter(bucket) ORDER BY 1

-- name: provider
SELECT DISTINCT provider FROM ledger.rollup_1m WHERE $__timeFilter(bucket) ORDER BY 1

-- name: model
SELECT DISTINCT model FROM ledger.rollup_1m WHERE $__timeFilter(bucket) ORDER BY 1

-- name: alerts
-- Marks on every series: what was raised.
SELECT raised_at AS time, resolved_at AS timeend, kind || ' ' || subject AS title, message AS text, severity AS tags
  FROM ledger.alerts WHERE $__timeFilter(raised_at) ORDER BY raised_at LIMIT 500
