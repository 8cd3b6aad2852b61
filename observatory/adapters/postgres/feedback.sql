-- Feedback on its way to the calls that it is about.

-- name: record_keys
-- What the records of requests are keyed by, as far as they are known.
SELECT r.tenant_id, r.request_id, r.record_key, r.conversation_id
FROM unnest($1::text[], $2::uuid[]) AS w(tenant_id, request_id)
JOIN journal.requests AS r USING (tenant_id, request_id)
