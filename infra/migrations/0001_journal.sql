-- The journal: one row a request, one row an attempt. The rows are the outbox too.
CREATE SCHEMA journal;

CREATE TABLE journal.requests (
  tenant_id         text        NOT NULL,
  request_id        uuid        NOT NULL,
  body_sha256       bytea       NOT NULL,
  topic_partition   int         NOT NULL,
  topic_offset      bigint      NOT NULL,
  record_key        text        NOT NULL,
  conversation_id   text,
  use_history       boolean     NOT NULL,
  state             text        NOT NULL DEFAULT 'claimed' CHECK (state IN ('claimed', 'completed', 'failed')),
  owner             text,
  epoch             int         NOT NULL DEFAULT 1,
  lost_epochs       int         NOT NULL DEFAULT 0,
  lease_until       timestamptz NOT NULL,
  attempts          int         NOT NULL DEFAULT 0,
  published_at      timestamptz NOT NULL,
  claimed_at        timestamptz NOT NULL DEFAULT now(),
  finished_at       timestamptz,
  outcome           text,
  traceparent       text,
  -- true until the outcome is acknowledged by the broker: the sweeper's index stays as small as the work in hand
  open              boolean     NOT NULL DEFAULT true,
  PRIMARY KEY (tenant_id, request_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 2);
COMMENT ON COLUMN journal.requests.owner IS 'the worker that holds the lease; null once it was handed back';
COMMENT ON COLUMN journal.requests.lost_epochs IS 'leases that ended without being handed back: a worker died or hung';
COMMENT ON COLUMN journal.requests.outcome IS 'the body of chat.completed or chat.failed, as JSON text';

CREATE INDEX requests_open ON journal.requests (claimed_at) WHERE open;
CREATE INDEX requests_by_age ON journal.requests USING brin (claimed_at);

CREATE TABLE journal.attempts (
  call_id            uuid        PRIMARY KEY,
  tenant_id          text        NOT NULL,
  request_id         uuid        NOT NULL,
  attempt            int         NOT NULL,
  epoch              int         NOT NULL,
  record_key         text        NOT NULL,
  provider           text        NOT NULL,
  model              text        NOT NULL,
  started_at         timestamptz NOT NULL DEFAULT now(),
  status             text        NOT NULL DEFAULT 'started'
                     CHECK (status IN ('started', 'ok', 'error', 'cancelled', 'unknown', 'not_sent')),
  revision           int         NOT NULL DEFAULT 0,
  published_revision int         NOT NULL DEFAULT 0,
  cost_usd           numeric,
  cost_state         text        NOT NULL DEFAULT 'estimated',
  record             text        NOT NULL,
  traceparent        text,
  changed_at         timestamptz NOT NULL DEFAULT now(),
  -- true until this revision is acknowledged by the broker
  open               boolean     NOT NULL DEFAULT true
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 2);
COMMENT ON COLUMN journal.attempts.record IS
  'llm.call.recorded without its revision and started_at, as JSON text; while the status is started, what will be said of the call if its worker dies (status unknown, the provisional cost)';
COMMENT ON COLUMN journal.attempts.cost_usd IS 'null when no price is known; while started, the provisional cost';

CREATE INDEX attempts_open ON journal.attempts (started_at) WHERE open;
CREATE INDEX attempts_by_request ON journal.attempts (tenant_id, request_id, attempt);
CREATE INDEX attempts_to_reconcile ON journal.attempts (started_at) WHERE cost_state = 'estimated' AND status <> 'started';
CREATE INDEX attempts_by_age ON journal.attempts USING brin (started_at);

-- Which request with history is being answered in a conversation: its turns are in order, whoever partitions how.
CREATE TABLE journal.conversation_heads (
  tenant_id       text NOT NULL,
  conversation_id text NOT NULL,
  request_id      uuid NOT NULL,
  PRIMARY KEY (tenant_id, conversation_id)
);
