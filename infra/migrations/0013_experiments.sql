-- Experiments: what is compared, who got what, and what came of each unit.

CREATE TABLE app.experiments (
  tenant_id     text        NOT NULL,
  experiment_id text        NOT NULL,
  state         text        NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'running', 'stopped')),
  version       int         NOT NULL DEFAULT 1,
  created_at    timestamptz NOT NULL DEFAULT now(),
  changed_at    timestamptz NOT NULL DEFAULT now(),
  started_at    timestamptz,
  stopped_at    timestamptz,
  PRIMARY KEY (tenant_id, experiment_id)
);
CREATE INDEX experiments_running ON app.experiments (tenant_id, started_at) WHERE state = 'running';

CREATE TABLE app.experiment_versions (
  tenant_id     text        NOT NULL,
  experiment_id text        NOT NULL,
  version       int         NOT NULL,
  definition    text        NOT NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, experiment_id, version)
);
COMMENT ON TABLE app.experiment_versions IS 'what an experiment is; a change is another version, so what a call was counted under can always be read';
COMMENT ON COLUMN app.experiment_versions.definition IS 'schemas.experiments.ExperimentDefinition as JSON text';

CREATE FUNCTION app.refuse_experiment_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'versions of experiments are append-only: add another version instead';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE ON app.experiment_versions
  FOR EACH ROW EXECUTE FUNCTION app.refuse_experiment_change();

-- One row: raised with every change, which workers look for. Who raises it holds it, so changes come one by one.
CREATE TABLE app.experiment_changes (version bigint NOT NULL);
INSERT INTO app.experiment_changes VALUES (0);

ALTER TABLE journal.requests ADD COLUMN assignment text;
COMMENT ON COLUMN journal.requests.assignment IS
  'experiment, version and variant as the first claim decided them, as JSON text: whoever takes the request over keeps to it; null: none';

-- What the calls and the feedback of one request tell about its variant.
CREATE SCHEMA IF NOT EXISTS streams;
CREATE TABLE streams.experiment_requests (
  part       int         NOT NULL,
  key        text        NOT NULL,
  version    bigint      NOT NULL,
  touched_at timestamptz NOT NULL,
  state      jsonb       NOT NULL,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 70);
CREATE INDEX experiment_requests_by_age ON streams.experiment_requests USING brin (touched_at) WITH (pages_per_range = 32);

-- What one partition knows of a unit in a variant: sums over its requests. Readers add up the partitions.
CREATE TABLE streams.experiment_units (
  part               int         NOT NULL,
  key                text        NOT NULL,
  version            bigint      NOT NULL,
  touched_at         timestamptz NOT NULL,
  state              jsonb       NOT NULL,
  tenant_id          text        NOT NULL GENERATED ALWAYS AS (state->>'tenant_id') STORED,
  experiment_id      text        NOT NULL GENERATED ALWAYS AS (state->>'experiment_id') STORED,
  experiment_version int         NOT NULL GENERATED ALWAYS AS ((state->>'experiment_version')::int) STORED,
  variant_id         text        NOT NULL GENERATED ALWAYS AS (state->>'variant_id') STORED,
  unit               text        NOT NULL GENERATED ALWAYS AS (state->>'unit') STORED,
  first_us           bigint      NOT NULL GENERATED ALWAYS AS ((state->>'first_us')::bigint) STORED,
  requests           bigint      NOT NULL GENERATED ALWAYS AS ((state->>'requests')::bigint) STORED,
  failed             bigint      NOT NULL GENERATED ALWAYS AS ((state->>'failed')::bigint) STORED,
  calls              bigint      NOT NULL GENERATED ALWAYS AS ((state->>'calls')::bigint) STORED,
  unpriced_calls     bigint      NOT NULL GENERATED ALWAYS AS ((state->>'unpriced_calls')::bigint) STORED,
  cost_usd           numeric     NOT NULL GENERATED ALWAYS AS ((state->>'cost_usd')::numeric) STORED,
  answered           bigint      NOT NULL GENERATED ALWAYS AS ((state->>'answered')::bigint) STORED,
  latency_us         bigint      NOT NULL GENERATED ALWAYS AS ((state->>'latency_us')::bigint) STORED,
  ratings            bigint      NOT NULL GENERATED ALWAYS AS ((state->>'ratings')::bigint) STORED,
  rating_millionths  bigint      NOT NULL GENERATED ALWAYS AS ((state->>'rating_millionths')::bigint) STORED,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 70);
COMMENT ON COLUMN streams.experiment_units.experiment_version IS '0: the client named an experiment that the worker did not know';
COMMENT ON COLUMN streams.experiment_units.first_us IS 'when its first call started, in microseconds since 1970';
COMMENT ON COLUMN streams.experiment_units.failed IS 'of the requests, those whose last attempt gave no answer';
COMMENT ON COLUMN streams.experiment_units.latency_us IS 'of the answering calls, of which there are `answered`';
CREATE INDEX experiment_units_by_experiment ON streams.experiment_units (tenant_id, experiment_id, experiment_version);
CREATE INDEX experiment_units_by_age ON streams.experiment_units USING brin (touched_at) WITH (pages_per_range = 32);
