-- Where the time of calls went, hour by hour and day by day, and what users cost by day and week: made and taken back as
-- the other sums are, by `ledger.rolled`. Whatever was there before is summed by the ledger when it has time.
CREATE VIEW ledger.call_parts AS
SELECT c.started_at, c.tenant_id, c.user_id, c.conversation_id, c.api_key_id, c.status, c.source, c.experiment_id,
       c.variant_id, c.prompt_version, c.tags, c.operation, c.provider, c.request_model, c.response_model, p.part, p.ms
  FROM ledger.calls AS c,
       LATERAL (VALUES (0, queue_ms), (1, policy_ms), (2, ttft_ms),
                       (3, CASE WHEN ttft_ms IS NOT NULL THEN greatest(total_ms - ttft_ms, 0) END),
                       (4, CASE WHEN ttft_ms IS NULL THEN total_ms END)) AS p (part, ms)
 WHERE c.status <> 'not_sent' AND p.ms IS NOT NULL;
COMMENT ON VIEW ledger.call_parts IS
  'the time of each call that was sent, a row for each part that is known of it; part: 0 waiting, 1 policy, 2 to the first token, 3 streaming, 4 all of it at the provider where no first token is known';

CREATE TABLE ledger.rollup_1h_parts (
  bucket    timestamptz      NOT NULL,
  kind      text             NOT NULL CHECK (kind IN ('all', 'statuses', 'tenants', 'models', 'cells')),
  tenant_id text             NOT NULL,
  provider  text             NOT NULL,
  model     text             NOT NULL,
  operation text             NOT NULL,
  status    text             NOT NULL,
  part      int              NOT NULL,
  ms        double precision NOT NULL,
  ms_hist   bigint[]         NOT NULL,
  PRIMARY KEY (bucket, kind, tenant_id, provider, model, operation, status, part)
);
COMMENT ON TABLE ledger.rollup_1h_parts IS
  'sums of ledger.call_parts over an hour; kept as long as the facts; it holds for the hours of ledger.rolled only';
COMMENT ON COLUMN ledger.rollup_1h_parts.kind IS
  'cells: by everything that is named here; models: by provider, model and operation; statuses, tenants: by that alone; the names of what is summed over are empty';
COMMENT ON COLUMN ledger.rollup_1h_parts.ms_hist IS 'of the parts; how many it holds is how many calls tell of the part';

CREATE TABLE ledger.rollup_1d_parts (LIKE ledger.rollup_1h_parts INCLUDING ALL);
COMMENT ON TABLE ledger.rollup_1d_parts IS
  'sums of ledger.rollup_1h_parts over a day in UTC; it holds for the days of ledger.rolled only';

CREATE TABLE ledger.rollup_1d_users (
  bucket                timestamptz NOT NULL,
  tenant_id             text        NOT NULL,
  value                 text,
  calls                 bigint      NOT NULL,
  errors                bigint      NOT NULL,
  unpriced_calls        bigint      NOT NULL,
  estimated_calls       bigint      NOT NULL,
  not_sent_calls        bigint      NOT NULL,
  uncached_input_tokens bigint      NOT NULL,
  cache_read_tokens     bigint      NOT NULL,
  cache_write_5m_tokens bigint      NOT NULL,
  cache_write_1h_tokens bigint      NOT NULL,
  output_tokens         bigint      NOT NULL,
  reasoning_tokens      bigint      NOT NULL,
  input_audio_tokens    bigint      NOT NULL,
  output_audio_tokens   bigint      NOT NULL,
  input_image_tokens    bigint      NOT NULL,
  cost_usd              numeric     NOT NULL,
  estimated_cost_usd    numeric     NOT NULL
);
CREATE INDEX rollup_1d_users_by_tenant ON ledger.rollup_1d_users (bucket, tenant_id);
COMMENT ON TABLE ledger.rollup_1d_users IS
  'sums of ledger.rollup_1d_by by tenant and user, over everything that they call; it holds for the days of ledger.rolled, as far as rolled.until';
COMMENT ON COLUMN ledger.rollup_1d_users.value IS 'the user; null: the calls that have none';

CREATE TABLE ledger.rollup_1w_users (LIKE ledger.rollup_1d_users INCLUDING ALL);
COMMENT ON TABLE ledger.rollup_1w_users IS
  'sums of ledger.rollup_1d_users over a week in UTC, from Monday on; it holds for the weeks of ledger.rolled only';

ALTER TABLE ledger.rolled DROP CONSTRAINT rolled_sums_check, ADD CONSTRAINT rolled_sums_check CHECK (sums IN (
  'rollup_1h', 'rollup_1d', 'rollup_1h_by', 'rollup_1d_by', 'rollup_1h_totals', 'rollup_1d_totals', 'rollup_1h_parts',
  'rollup_1d_parts', 'rollup_1d_users', 'rollup_1w_users'));
COMMENT ON TABLE ledger.rolled IS 'which hours, days and weeks are summed in the tables that `sums` names';
