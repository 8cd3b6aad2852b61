-- Re-pricing: what calls would cost at other prices, beside what they did cost. A job is resumed at its cursor.
CREATE TABLE ledger.repricing_jobs (
  job_id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  asked             text        NOT NULL,
  since             timestamptz,
  until             timestamptz NOT NULL,
  tenant_id         text,
  model             text,
  price_version     text        NOT NULL,
  overrides         text,
  overrides_name    text,
  state             text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done')),
  cursor_started_at timestamptz,
  cursor_call_id    uuid,
  expected_calls    bigint      NOT NULL,
  calls             bigint      NOT NULL DEFAULT 0,
  unpriced_before   bigint      NOT NULL DEFAULT 0,
  unpriced_after    bigint      NOT NULL DEFAULT 0,
  cost_before_usd   numeric     NOT NULL DEFAULT 0,
  cost_after_usd    numeric     NOT NULL DEFAULT 0,
  recosted_calls    bigint      NOT NULL DEFAULT 0,
  created_at        timestamptz NOT NULL DEFAULT now(),
  updated_at        timestamptz NOT NULL DEFAULT now(),
  finished_at       timestamptz,
  CHECK ((overrides IS NULL) = (overrides_name IS NULL))
);
COMMENT ON TABLE ledger.repricing_jobs IS 'what was asked for, how far it is, and its totals, which are those of its rows in repriced_calls';
COMMENT ON COLUMN ledger.repricing_jobs.asked IS 'the command as it was given: the same one again resumes the job';
COMMENT ON COLUMN ledger.repricing_jobs.price_version IS 'the price book as of this version';
COMMENT ON COLUMN ledger.repricing_jobs.overrides IS 'the text of a what-if file, whose rows come before the book';
COMMENT ON COLUMN ledger.repricing_jobs.cursor_started_at IS 'with cursor_call_id: the last call that was costed on the way through the period';
COMMENT ON COLUMN ledger.repricing_jobs.recosted_calls IS 'calls costed after the way through: their fact came, or changed, meanwhile';

-- No foreign key: its check for each row would cost as much as the row. In the order in which a job writes.
CREATE TABLE ledger.repriced_calls (
  job_id          bigint      NOT NULL,
  started_at      timestamptz NOT NULL,
  call_id         uuid        NOT NULL,
  revision        int         NOT NULL,
  tenant_id       text        NOT NULL,
  model           text        NOT NULL,
  cost_before_usd numeric,
  cost_usd        numeric,
  price_version   text,
  PRIMARY KEY (job_id, started_at, call_id)
);
COMMENT ON TABLE ledger.repriced_calls IS 'both costs of a call: of its fact at that revision, and at the prices of the job';
COMMENT ON COLUMN ledger.repriced_calls.model IS 'as the provider answered, else as asked';
COMMENT ON COLUMN ledger.repriced_calls.cost_usd IS 'null when the book of the job has no price';
