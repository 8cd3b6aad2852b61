-- Old rows of the journal, one of each kind that may go and one of each that must stay.
INSERT INTO journal.requests (tenant_id, request_id, body_sha256, topic_partition, topic_offset, record_key,
    use_history, state, lease_until, published_at, claimed_at, open)
SELECT name, gen_random_uuid(), '', 0, 0, '', false, state, now(), now(), now() - age, open
FROM (VALUES ('old', 'completed', interval '36 days', false), ('old unpublished', 'completed', interval '36 days', true),
             ('new', 'failed', interval '34 days', false)) AS v(name, state, age, open);
INSERT INTO journal.attempts (call_id, tenant_id, request_id, attempt, epoch, record_key, provider, model, started_at,
    status, record, open)
SELECT gen_random_uuid(), name, gen_random_uuid(), 1, 1, '', '', '', now() - age, status, '{}', open
FROM (VALUES ('old', 'ok', interval '36 days', false), ('old unpublished', 'ok', interval '36 days', true),
             ('old unfinished', 'started', interval '36 days', false), ('new', 'ok', interval '34 days', false)
     ) AS v(name, status, age, open);
