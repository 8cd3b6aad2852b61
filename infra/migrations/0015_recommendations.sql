-- What could be saved, as it was found last; and which calls asked the same.
CREATE SCHEMA IF NOT EXISTS streams;

ALTER TABLE ledger.calls ADD COLUMN prompt_hash text;
COMMENT ON COLUMN ledger.calls.prompt_hash IS 'the same in calls with the same model, messages, tools and form of the answer; null when the producer does not tell';

CREATE TABLE streams.recommendations (
  recommendation_id uuid        PRIMARY KEY,
  tenant_id         text        NOT NULL,
  kind              text        NOT NULL,
  subject           jsonb       NOT NULL,
  saving_usd        numeric     NOT NULL,
  evidence          jsonb       NOT NULL
);
COMMENT ON TABLE streams.recommendations IS 'what was found in the period of streams.recommendation_runs; a run replaces all that the one before found';
COMMENT ON COLUMN streams.recommendations.saving_usd IS 'US dollars in 30 days';
CREATE INDEX recommendations_by_saving ON streams.recommendations (saving_usd DESC, recommendation_id);
CREATE INDEX recommendations_of_tenant ON streams.recommendations (tenant_id, saving_usd DESC, recommendation_id);

-- One row: the last run, or none yet.
CREATE TABLE streams.recommendation_runs (
  only_one    boolean     PRIMARY KEY DEFAULT true CHECK (only_one),
  began       timestamptz NOT NULL,
  ended       timestamptz NOT NULL,
  watermark   timestamptz,
  found_at    timestamptz NOT NULL
);
COMMENT ON TABLE streams.recommendation_runs IS 'began, ended: the period that was looked at; watermark: up to when the facts were complete';
