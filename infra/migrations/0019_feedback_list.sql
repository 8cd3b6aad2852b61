-- Feedback as it stands: the latest of each request, kind, name and giver, with its words. Times are microseconds.
CREATE TABLE streams.feedback (
  part            int         NOT NULL,
  key             text        NOT NULL,
  version         bigint      NOT NULL,
  touched_at      timestamptz NOT NULL,
  state           jsonb       NOT NULL,
  tenant_id       text        NOT NULL GENERATED ALWAYS AS (state->>'tenant_id') STORED,
  request_id      text        NOT NULL GENERATED ALWAYS AS (state->>'request_id') STORED,
  given_us        bigint      NOT NULL GENERATED ALWAYS AS ((state->>'given_us')::bigint) STORED,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 90);
CREATE INDEX feedback_by_tenant ON streams.feedback (tenant_id, given_us, key, part);
CREATE INDEX feedback_by_time ON streams.feedback (given_us, key, part);
CREATE INDEX feedback_by_request ON streams.feedback (request_id);
CREATE INDEX feedback_by_age ON streams.feedback USING brin (touched_at) WITH (pages_per_range = 32);

-- What is kept for long is looked through for what is old.
CREATE INDEX quality_by_age ON streams.quality USING brin (touched_at) WITH (pages_per_range = 32);
CREATE INDEX conversations_by_age ON streams.conversations USING brin (touched_at) WITH (pages_per_range = 32);
CREATE INDEX users_by_age ON streams.users USING brin (touched_at) WITH (pages_per_range = 32);
