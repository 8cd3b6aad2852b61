-- Statements about the states of folds. `{table}` is the fold's table, a name from our own code.

-- name: lock_offsets
SELECT o.sink, o.topic, o.part, o.log_epoch, o.next_offset
FROM ledger.sink_offsets AS o
JOIN unnest($1::text[], $2::int[]) AS w(sink, part) USING (sink, part)
ORDER BY o.sink, o.topic, o.part, o.log_epoch FOR UPDATE OF o

-- name: move_offsets
UPDATE ledger.sink_offsets AS o
SET next_offset = m.next_offset, last_record_at = m.last_record_at, applied_until = m.applied_until,
    owner = $1, updated_at = now()
FROM unnest($2::text[], $3::text[], $4::int[], $5::int[], $6::bigint[], $7::timestamptz[], $8::timestamptz[])
  AS m(sink, topic, part, log_epoch, next_offset, last_record_at, applied_until)
WHERE o.sink = m.sink AND o.topic = m.topic AND o.part = m.part AND o.log_epoch = m.log_epoch

-- name: note_drained
UPDATE ledger.sink_offsets AS o
SET applied_until = greatest(o.applied_until, d.until), updated_at = now()
FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::bigint[], $6::timestamptz[])
  AS d(sink, topic, part, log_epoch, next_offset, until)
WHERE o.sink = d.sink AND o.topic = d.topic AND o.part = d.part AND o.log_epoch = d.log_epoch
  AND o.next_offset = d.next_offset

-- name: stored_offsets
SELECT DISTINCT ON (sink, topic, part) sink, topic, part, log_epoch, next_offset, last_record_at
FROM ledger.sink_offsets WHERE sink = ANY ($1::text[]) AND topic = ANY ($2::text[])
ORDER BY sink, topic, part, log_epoch DESC

-- name: open_logs
INSERT INTO ledger.sink_offsets (sink, topic, part, log_epoch, next_offset, owner)
SELECT l.sink, l.topic, l.part, l.log_epoch, l.next_offset, $1
FROM unnest($2::text[], $3::text[], $4::int[], $5::int[], $6::bigint[]) AS l(sink, topic, part, log_epoch, next_offset)
ON CONFLICT DO NOTHING

-- name: begin_epochs
INSERT INTO ledger.sink_offsets (sink, topic, part, log_epoch, next_offset, last_record_at, applied_until, owner)
SELECT DISTINCT ON (o.sink, o.topic, o.part)
  o.sink, o.topic, o.part, o.log_epoch + 1, o.next_offset, o.last_record_at, o.applied_until, $1
FROM ledger.sink_offsets AS o
JOIN unnest($2::text[], $3::text[], $4::int[]) AS l(sink, topic, part) USING (sink, topic, part)
ORDER BY o.sink, o.topic, o.part, o.log_epoch DESC

-- name: load_states
SELECT s.part, s.key, s.version, s.state::text
FROM streams.{table} AS s JOIN unnest($1::int[], $2::text[]) AS w(part, key) USING (part, key)

-- name: keep_states
INSERT INTO streams.{table} AS s (part, key, version, touched_at, state)
SELECT n.part, n.key, n.version, n.touched_at, n.state::jsonb
FROM unnest($1::int[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[]) AS n(part, key, version, touched_at, state)
ON CONFLICT (part, key) DO UPDATE
SET version = excluded.version, touched_at = greatest(s.touched_at, excluded.touched_at), state = excluded.state

-- name: create_staging
CREATE TEMP TABLE IF NOT EXISTS {staged} (LIKE {table} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS

-- name: insert_staged
INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} ON CONFLICT DO NOTHING

-- name: all_states
SELECT part, key, version, touched_at, state::text FROM streams.{table} WHERE part = $1 ORDER BY key

-- name: delete_states
DELETE FROM streams.{table} WHERE part = ANY ($1::int[])

-- name: fold_rows
SELECT f.fold, coalesce(sum(newest.next_offset), 0)::bigint AS records,
  CASE WHEN bool_and(newest.applied_until IS NOT NULL) THEN min(newest.applied_until) END AS complete_until
FROM unnest($1::text[], $2::text[]) AS f(fold, sink)
LEFT JOIN LATERAL (
  SELECT DISTINCT ON (topic, part) next_offset, applied_until FROM ledger.sink_offsets AS o
  WHERE o.sink = f.sink ORDER BY topic, part, log_epoch DESC) AS newest ON true
GROUP BY f.fold

-- name: count_states
SELECT count(*) FROM (SELECT FROM streams.{table} LIMIT 1000000) AS found

-- name: delete_untouched
DELETE FROM streams.{table} WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM streams.{table} WHERE touched_at < now() - $1::interval LIMIT $2))
