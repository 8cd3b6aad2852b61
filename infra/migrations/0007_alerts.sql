-- Alerts, and what soft budgets have spent: kept up to date from the facts by a task of the ledger, minute by minute.

CREATE TABLE ledger.alerts (
  alert_id       uuid        PRIMARY KEY,
  kind           text        NOT NULL,
  severity       text        NOT NULL CHECK (severity IN ('warning', 'critical')),
  tenant_id      text        NOT NULL,
  subject        text        NOT NULL,
  occurrence     text        NOT NULL,
  message        text        NOT NULL,
  details        jsonb       NOT NULL,
  latest         jsonb       NOT NULL,
  raised_at      timestamptz NOT NULL DEFAULT now(),
  resolved_at    timestamptz,
  -- how many of its events (raised, resolved) the broker has acknowledged
  published      int         NOT NULL DEFAULT 0,
  open           boolean     NOT NULL GENERATED ALWAYS AS
                 (published < CASE WHEN resolved_at IS NULL THEN 1 ELSE 2 END) STORED
);
COMMENT ON TABLE ledger.alerts IS
  'one row an alert, raised and perhaps resolved; the outbox of alert.events too. alert_id is made of kind, tenant, subject and occurrence';
COMMENT ON COLUMN ledger.alerts.occurrence IS 'which of several alerts of one kind and subject: of a budget the period, limit and threshold';
COMMENT ON COLUMN ledger.alerts.details IS 'how it stood when it was raised, money as decimal strings';
COMMENT ON COLUMN ledger.alerts.latest IS 'how it stands now; once resolved, how it stood in the end';
CREATE INDEX alerts_open ON ledger.alerts (raised_at) WHERE open;
CREATE INDEX alerts_unresolved ON ledger.alerts (kind) WHERE resolved_at IS NULL;
CREATE INDEX alerts_by_tenant ON ledger.alerts (tenant_id, raised_at DESC, alert_id);
CREATE INDEX alerts_by_subject ON ledger.alerts (kind, tenant_id, subject);

-- One row a soft budget and period: what the facts in its scope cost, the sum of its minutes.
CREATE TABLE ledger.budget_spending (
  budget_id      text        NOT NULL REFERENCES journal.budgets,
  period_start   timestamptz NOT NULL,
  spent_usd      numeric     NOT NULL,
  unpriced_calls bigint      NOT NULL,
  PRIMARY KEY (budget_id, period_start)
) WITH (fillfactor = 50);
COMMENT ON TABLE ledger.budget_spending IS 'of soft budgets, in the period that it is and the one before; what is missing is counted from the facts';

CREATE TABLE ledger.budget_minutes (
  budget_id      text        NOT NULL,
  period_start   timestamptz NOT NULL,
  minute         timestamptz NOT NULL,
  cost_usd       numeric     NOT NULL,
  unpriced_calls bigint      NOT NULL,
  PRIMARY KEY (budget_id, minute),
  FOREIGN KEY (budget_id, period_start) REFERENCES ledger.budget_spending ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE INDEX budget_minutes_by_period ON ledger.budget_minutes (budget_id, period_start);

-- One row: facts recorded before this moment are in the minutes.
CREATE TABLE ledger.budget_watch (seen_until timestamptz NOT NULL);
INSERT INTO ledger.budget_watch VALUES (now());

-- Facts are recorded in the order of time, so their index by it is a few pages; it costs the ledger next to nothing.
CREATE INDEX calls_by_recording ON ledger.calls USING brin (recorded_at) WITH (pages_per_range = 16, autosummarize = on);

-- Models without a price are found without reading the rollups of all others.
CREATE INDEX rollup_1m_unpriced ON ledger.rollup_1m (bucket) WHERE unpriced_calls <> 0;
