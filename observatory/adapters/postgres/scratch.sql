-- name: name_of_scratch
SELECT left(current_database(), 40) || '_replay_' || $1

-- name: abandoned
-- Scratch databases of this one whose maker is gone: it held a lock of their name.
SELECT datname FROM pg_database
 WHERE starts_with(datname, left(current_database(), 40) || '_replay_') AND datname <> $1
   AND pg_try_advisory_lock(hashtextextended(datname, 0))

-- name: hold
SELECT pg_advisory_lock(hashtextextended($1, 0))

-- name: create_database
-- As this one is, from the template that nobody is connected to.
SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING %L LC_COLLATE %L LC_CTYPE %L',
              $1::text, pg_encoding_to_char(encoding), datcollate, datctype)
  FROM pg_database WHERE datname = current_database()

-- name: drop_database
-- Without force: TimescaleDB ends its own worker there, which belongs to a superuser and which we may not end.
SELECT format('DROP DATABASE IF EXISTS %I', $1::text)

-- name: create_extension
CREATE EXTENSION IF NOT EXISTS timescaledb
