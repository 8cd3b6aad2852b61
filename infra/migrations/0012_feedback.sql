-- Feedback, quality, conversations and users: states of the folds that begin with what is known of a request.
CREATE SCHEMA IF NOT EXISTS streams;

-- What is known of a request: its calls in their highest revision, the latest scores of its answer.
CREATE TABLE streams.requests (
  part       int         NOT NULL,
  key        text        NOT NULL,
  version    bigint      NOT NULL,
  touched_at timestamptz NOT NULL,
  state      jsonb       NOT NULL,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 70);
CREATE INDEX requests_by_age ON streams.requests USING brin (touched_at) WITH (pages_per_range = 32);

-- What the scores of a day add up to. Each partition has its own: readers add up. Sums of scores are in millionths.
CREATE TABLE streams.quality (
  part           int         NOT NULL,
  key            text        NOT NULL,
  version        bigint      NOT NULL,
  touched_at     timestamptz NOT NULL,
  state          jsonb       NOT NULL,
  day            date        NOT NULL GENERATED ALWAYS AS (date '1970-01-01' + (state->'dimensions'->>'day')::int) STORED,
  tenant_id      text        NOT NULL GENERATED ALWAYS AS (state->'dimensions'->>'tenant_id') STORED,
  provider       text        NOT NULL GENERATED ALWAYS AS (state->'dimensions'->>'provider') STORED,
  model          text        NOT NULL GENERATED ALWAYS AS (state->'dimensions'->>'model') STORED,
  prompt_version text        GENERATED ALWAYS AS (nullif(state->'dimensions'->>'prompt_version', '')) STORED,
  kind           text        NOT NULL GENERATED ALWAYS AS (state->'dimensions'->>'kind') STORED,
  name           text        NOT NULL GENERATED ALWAYS AS (state->'dimensions'->>'name') STORED,
  n              bigint      NOT NULL GENERATED ALWAYS AS ((state->'judged'->'tally'->>0)::bigint) STORED,
  total          numeric     NOT NULL GENERATED ALWAYS AS ((state->'judged'->'tally'->>1)::numeric) STORED,
  squares        numeric     NOT NULL GENERATED ALWAYS AS ((state->'judged'->'tally'->>2)::numeric) STORED,
  ups            bigint      NOT NULL GENERATED ALWAYS AS ((state->'judged'->'tally'->>3)::bigint) STORED,
  downs          bigint      NOT NULL GENERATED ALWAYS AS ((state->'judged'->'tally'->>4)::bigint) STORED,
  judged_calls   bigint      NOT NULL GENERATED ALWAYS AS ((state->'judged'->'sums'->>'calls')::bigint) STORED,
  unpriced_calls bigint      NOT NULL GENERATED ALWAYS AS ((state->'judged'->'sums'->>'unpriced_calls')::bigint) STORED,
  cost_usd       numeric     NOT NULL GENERATED ALWAYS AS ((state->'judged'->'sums'->>'cost_usd')::numeric) STORED,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 70);
CREATE INDEX quality_by_tenant ON streams.quality (tenant_id, day);
CREATE INDEX quality_by_day ON streams.quality (day);

-- One row a conversation. Times are microseconds since 1970; `rating` is the mean of what users gave under that name.
CREATE TABLE streams.conversations (
  part            int         NOT NULL,
  key             text        NOT NULL,
  version         bigint      NOT NULL,
  touched_at      timestamptz NOT NULL,
  state           jsonb       NOT NULL,
  tenant_id       text        NOT NULL GENERATED ALWAYS AS (state->>'tenant_id') STORED,
  conversation_id text        NOT NULL GENERATED ALWAYS AS (state->>'conversation_id') STORED,
  last_us         bigint      NOT NULL GENERATED ALWAYS AS ((state->>'last_us')::bigint) STORED,
  cost_usd        numeric     NOT NULL GENERATED ALWAYS AS ((state->'sums'->>'cost_usd')::numeric) STORED,
  tokens          numeric     NOT NULL GENERATED ALWAYS AS (
    (state->'sums'->'tokens'->>0)::numeric + (state->'sums'->'tokens'->>1)::numeric
    + (state->'sums'->'tokens'->>2)::numeric + (state->'sums'->'tokens'->>3)::numeric
    + (state->'sums'->'tokens'->>4)::numeric + (state->'sums'->'tokens'->>6)::numeric
    + (state->'sums'->'tokens'->>7)::numeric + (state->'sums'->'tokens'->>8)::numeric) STORED,
  rating          numeric     GENERATED ALWAYS AS (
    (state->'scores'->'user:rating'->>1)::numeric
    / nullif((state->'scores'->'user:rating'->>0)::numeric * 1000000, 0)) STORED,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 70);
COMMENT ON COLUMN streams.conversations.tokens IS 'input and output of all buckets; reasoning is a part of the output';
CREATE INDEX conversations_by_tenant ON streams.conversations (tenant_id, last_us);
CREATE INDEX conversations_by_activity ON streams.conversations (last_us);
CREATE INDEX conversations_by_cost ON streams.conversations (tenant_id, cost_usd);

-- What a user's requests add up to. Each partition has its own: readers add up.
CREATE TABLE streams.users (
  part       int         NOT NULL,
  key        text        NOT NULL,
  version    bigint      NOT NULL,
  touched_at timestamptz NOT NULL,
  state      jsonb       NOT NULL,
  tenant_id  text        NOT NULL GENERATED ALWAYS AS (state->>'tenant_id') STORED,
  user_id    text        NOT NULL GENERATED ALWAYS AS (state->>'user_id') STORED,
  last_us    bigint      NOT NULL GENERATED ALWAYS AS ((state->>'last_us')::bigint) STORED,
  PRIMARY KEY (part, key)
) WITH (fillfactor = 70);
CREATE INDEX users_by_tenant ON streams.users (tenant_id, user_id);
