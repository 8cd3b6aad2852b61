# The password of the account of `reader.sql`, for a server that asks for one: after it, as superuser.
: "${OBSERVATORY_READER_PASSWORD:?OBSERVATORY_READER_PASSWORD is not set: choose one}"
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER}" --dbname="${POSTGRES_DB}" <<'SQL'
\getenv password OBSERVATORY_READER_PASSWORD
ALTER ROLE observatory_reader PASSWORD :'password';
SQL
