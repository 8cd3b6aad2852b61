-- What the application keeps: conversations with their turns, and API keys.
CREATE SCHEMA app;

CREATE TABLE app.conversations (
  tenant_id       text        NOT NULL,
  conversation_id text        NOT NULL,
  title           text,
  user_id         text,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, conversation_id)
);
CREATE INDEX conversations_by_update ON app.conversations (tenant_id, updated_at DESC, conversation_id);

CREATE TABLE app.turns (
  tenant_id       text        NOT NULL,
  conversation_id text        NOT NULL,
  request_id      uuid        NOT NULL,
  turn            bigint      GENERATED ALWAYS AS IDENTITY,
  messages        text        NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, conversation_id, turn),
  UNIQUE (tenant_id, request_id)
);
COMMENT ON TABLE app.turns IS 'one row a settled request with use_history: its new messages and the answer, a JSON array of OpenAI messages';

CREATE TABLE app.api_keys (
  key_id     text        PRIMARY KEY,
  tenant_id  text        NOT NULL,
  name       text        NOT NULL,
  key_sha256 bytea       NOT NULL UNIQUE,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);
