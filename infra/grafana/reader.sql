-- The account that dashboards read with: run once by a superuser. Whoever may look at a dashboard may ask anything
-- with it, so it cannot write, and no question takes it longer than half a minute. It has no password until it is given
-- one (`reader_password.sh`): a server that asks for passwords lets it in only then.
CREATE ROLE observatory_reader LOGIN;
GRANT pg_read_all_data TO observatory_reader;
ALTER ROLE observatory_reader SET default_transaction_read_only = on;
ALTER ROLE observatory_reader SET statement_timeout = '30s';
ALTER ROLE observatory_reader SET timezone = 'UTC';
