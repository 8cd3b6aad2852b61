-- name: apply
INSERT INTO ledger.adjustments (adjustment_id, tenant_id, provider, model, day, booked_month, amount_usd, reason,
  export_id, adjusted_at, topic_partition, topic_offset)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::date[], $6::date[], $7::numeric[], $8::text[],
  $9::text[], $10::timestamptz[], $11::int[], $12::bigint[])
ON CONFLICT (adjustment_id) DO NOTHING

-- name: lock_booking
SELECT pg_advisory_xact_lock(7305117209)

-- name: booked
SELECT model, day, sum(amount_usd) AS amount_usd, (count(*) FILTER (WHERE export_id = $3))::int AS from_export
  FROM journal.adjustments WHERE provider = $1 AND day = ANY ($2::date[]) GROUP BY model, day

-- name: decide
INSERT INTO journal.adjustments (adjustment_id, tenant_id, provider, model, day, booked_month, amount_usd, reason,
  export_id)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::date[], $6::date[], $7::numeric[], $8::text[],
  $9::text[])

-- name: unpublished
SELECT adjustment_id, tenant_id, provider, model, day, booked_month, amount_usd, reason, export_id, adjusted_at
  FROM journal.adjustments WHERE open ORDER BY adjusted_at, adjustment_id

-- name: mark_published
UPDATE journal.adjustments SET open = false WHERE adjustment_id = ANY ($1::uuid[])

-- name: last_closed_month
SELECT max(month) FROM journal.closed_months

-- name: closed_months
SELECT month, closed_at, closed_by FROM journal.closed_months ORDER BY month

-- name: close_month
INSERT INTO journal.closed_months (month, closed_by) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true
