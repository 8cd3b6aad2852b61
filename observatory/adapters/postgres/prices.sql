-- The price book. Versions and rows are added, never changed.

-- name: lock
-- Writers come one after the other: versions are numbered in the order in which they are seen.
LOCK TABLE ledger.price_versions IN SHARE ROW EXCLUSIVE MODE;

-- name: newest
SELECT coalesce(max(version), 0) FROM ledger.price_versions;

-- name: version_named
SELECT version, name, source, recorded_at, note FROM ledger.price_versions WHERE name = $1;

-- name: versions
SELECT version, name, source, recorded_at, note FROM ledger.price_versions WHERE version > $1 ORDER BY version;

-- name: rows
SELECT * FROM ledger.prices WHERE version > $1
 ORDER BY version, provider, list_position, model, service_tier, valid_from, daily_from, above_tokens;

-- name: add_version
-- $1 is null for a version that is named after its number.
INSERT INTO ledger.price_versions (version, name, source, note) OVERRIDING SYSTEM VALUE
SELECT number, coalesce($1, 'book/' || number), $2, $3
  FROM nextval(pg_get_serial_sequence('ledger.price_versions', 'version')) AS number
RETURNING version, name, source, recorded_at, note;
