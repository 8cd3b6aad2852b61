-- Adjustments: what a provider's bill says beyond the calls that we know, by model and day; and months that are closed.
CREATE TABLE journal.adjustments (
  adjustment_id uuid        PRIMARY KEY,
  tenant_id     text        NOT NULL,
  provider      text        NOT NULL,
  model         text        NOT NULL,
  day           date        NOT NULL,
  booked_month  date        NOT NULL,
  amount_usd    numeric     NOT NULL CHECK (amount_usd <> 0),
  reason        text        NOT NULL,
  export_id     text        NOT NULL,
  adjusted_at   timestamptz NOT NULL DEFAULT now(),
  -- true until the event is acknowledged by the broker
  open          boolean     NOT NULL DEFAULT true
);
COMMENT ON TABLE journal.adjustments IS
  'what was decided to be adjusted: the outbox of cost.adjusted, and what a later export of the same day is compared with';
CREATE INDEX adjustments_by_day ON journal.adjustments (provider, day);
CREATE INDEX adjustments_open ON journal.adjustments (adjusted_at) WHERE open;

CREATE TABLE journal.closed_months (
  month     date        PRIMARY KEY CHECK (extract(day FROM month) = 1),
  closed_at timestamptz NOT NULL DEFAULT now(),
  closed_by text        NOT NULL
);
COMMENT ON TABLE journal.closed_months IS
  'months that take no adjustment any more, nor does any before them; a closed month is never opened again';

CREATE TABLE ledger.adjustments (
  adjustment_id   uuid        PRIMARY KEY,
  tenant_id       text        NOT NULL,
  provider        text        NOT NULL,
  model           text        NOT NULL,
  day             date        NOT NULL,
  booked_month    date        NOT NULL,
  amount_usd      numeric     NOT NULL,
  reason          text        NOT NULL,
  export_id       text        NOT NULL,
  adjusted_at     timestamptz NOT NULL,
  topic_partition int         NOT NULL,
  topic_offset    bigint      NOT NULL,
  recorded_at     timestamptz NOT NULL DEFAULT now(),
  -- where it counts: on its day, or from the first of the month that took it because its own was closed
  counts_on       date        NOT NULL GENERATED ALWAYS AS
                  (CASE WHEN booked_month > day THEN booked_month ELSE day END) STORED
);
COMMENT ON TABLE ledger.adjustments IS
  'amounts of providers'' bills that belong to no call of ours; never a part of ledger.calls or ledger.rollup_1m';
COMMENT ON COLUMN ledger.adjustments.day IS 'the day (UTC) that the amount belongs to';
COMMENT ON COLUMN ledger.adjustments.booked_month IS 'the month in which it counts: a later one where the day''s was closed';
COMMENT ON COLUMN ledger.adjustments.topic_offset IS 'with topic_partition: where it stands in llm.calls';
CREATE INDEX adjustments_by_day ON ledger.adjustments (counts_on);
