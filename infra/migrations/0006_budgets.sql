-- Budgets: what a tenant, user, key, conversation, model or tag may cost in a period. Hard ones are reserved before each
-- attempt and charged after it, in the transactions that write the attempt; soft ones are watched from the facts.

CREATE TABLE journal.budgets (
  budget_id   text        PRIMARY KEY,
  tenant_id   text        NOT NULL,
  scope       text        NOT NULL CHECK (scope IN ('tenant', 'user', 'api_key', 'conversation', 'model', 'tag')),
  scope_value text        NOT NULL DEFAULT '',
  limit_usd   numeric     NOT NULL CHECK (limit_usd >= 0),
  hard        boolean     NOT NULL,
  period      text        NOT NULL CHECK (period IN ('hour', 'day', 'month', 'total')),
  time_zone   text        NOT NULL DEFAULT 'UTC',
  thresholds  numeric[]   NOT NULL DEFAULT '{0.5,0.8,1}',
  created_at  timestamptz NOT NULL DEFAULT now(),
  closed_at   timestamptz,
  version     bigint      NOT NULL DEFAULT 0,
  CHECK ((scope = 'tenant') = (scope_value = ''))
);
COMMENT ON COLUMN journal.budgets.scope_value IS 'whose budget it is within the tenant; of a tag key=value, of the tenant nothing';
COMMENT ON COLUMN journal.budgets.version IS 'journal.budget_version when a hard budget was last changed: workers read what is newer than what they know';
CREATE INDEX budgets_by_version ON journal.budgets (version) WHERE hard;

-- One row. Who makes attempts holds its table in ROW SHARE and compares the version with the one that it decided by; who
-- changes hard budgets holds it in EXCLUSIVE and raises it. So no attempt begins that does not know of a budget.
CREATE TABLE journal.budget_version (version bigint NOT NULL);
INSERT INTO journal.budget_version VALUES (0);

CREATE TABLE journal.budget_periods (
  budget_id    text        NOT NULL REFERENCES journal.budgets,
  period_start timestamptz NOT NULL,
  resets_at    timestamptz,
  spent_usd    numeric     NOT NULL DEFAULT 0,
  reserved_usd numeric     NOT NULL DEFAULT 0,
  opening_usd  numeric     NOT NULL DEFAULT 0,
  PRIMARY KEY (budget_id, period_start)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 2);
COMMENT ON TABLE journal.budget_periods IS 'of a hard budget; an attempt belongs to the period in which it started';
COMMENT ON COLUMN journal.budget_periods.opening_usd IS 'the part of spent_usd from before there was the budget: of calls without a reservation';

CREATE TABLE journal.reservations (
  call_id      uuid        NOT NULL,
  budget_id    text        NOT NULL,
  period_start timestamptz NOT NULL,
  amount_usd   numeric     NOT NULL,
  charged_usd  numeric,
  PRIMARY KEY (call_id, budget_id)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 2);
COMMENT ON COLUMN journal.reservations.amount_usd IS 'the most that the attempt can cost';
COMMENT ON COLUMN journal.reservations.charged_usd IS 'what the attempt did cost; null while that is not known: then amount_usd is held';
CREATE INDEX reservations_by_budget ON journal.reservations (budget_id, period_start);

ALTER TABLE journal.attempts ADD COLUMN reserved boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN journal.attempts.reserved IS 'whether there are rows of it in journal.reservations';

-- What budgets are charged for an attempt; null: all that was reserved is held.
CREATE FUNCTION journal.charge_of(status text, cost_state text, cost_usd numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN status NOT IN ('started', 'unknown') AND cost_state <> 'estimated' THEN cost_usd END
$$;

-- Whether an attempt falls under a budget of its tenant.
CREATE FUNCTION journal.in_scope(
  scope text, scope_value text, model text, user_id text, api_key_id text, conversation_id text, tags jsonb
) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce(CASE scope
    WHEN 'tenant' THEN true
    WHEN 'model' THEN model = scope_value
    WHEN 'user' THEN user_id = scope_value
    WHEN 'api_key' THEN api_key_id = scope_value
    WHEN 'conversation' THEN conversation_id = scope_value
    WHEN 'tag' THEN tags ->> split_part(scope_value, '=', 1) = substr(scope_value, strpos(scope_value, '=') + 1)
  END, false)
$$;

-- Refuses to go on (SQLSTATE OB001) for one who decided by other budgets than there are now; keeps them as they are
-- until the end of the transaction. Called before any row is locked. The version is read after the lock is held.
CREATE FUNCTION journal.check_budgets(known bigint[]) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
  now_version bigint;
BEGIN
  LOCK TABLE journal.budget_version IN ROW SHARE MODE;
  SELECT v.version INTO STRICT now_version FROM journal.budget_version v;
  IF now_version <> ANY (known) THEN
    RAISE EXCEPTION 'budgets have changed' USING ERRCODE = 'OB001';
  END IF;
  RETURN true;
END $$;

-- Reserves for attempts that are about to begin, one after the other, each under all its budgets or not at all. Returns
-- those that were refused, with the budget that has least left; such an attempt is taken back from its request.
-- `ids`, `starts`, `ends`: the budgets of the batch, sorted by id as bytes, and their periods; of each attempt `matched`
-- names its budgets by their places there. Called last in its transaction, since others wait for the budgets' rows.
CREATE FUNCTION journal.reserve(
  ids text[], starts timestamptz[], ends timestamptz[],
  calls uuid[], tenants text[], requests uuid[], amounts numeric[], matched text[]
) RETURNS TABLE (call_id uuid, budget_id text, limit_usd numeric, left_usd numeric, resets_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  standing record;
  room numeric[];
  limits numeric[];
  taken numeric[] := array_fill(0::numeric, ARRAY[cardinality(ids)]);
  admitted int[] := '{}';
  places int[];
  place int;
  least int;
BEGIN
  IF now() < ANY (starts) OR now() >= ANY (ends) THEN
    RAISE EXCEPTION 'a period has ended' USING ERRCODE = 'OB001';
  END IF;
  FOR n IN 1 .. cardinality(ids) LOOP
    LOOP
      SELECT b.limit_usd AS most, b.limit_usd - p.spent_usd - p.reserved_usd AS room INTO standing
        FROM journal.budget_periods p
        JOIN journal.budgets b ON b.budget_id = p.budget_id
       WHERE p.budget_id = ids[n] AND p.period_start = starts[n]
         FOR UPDATE OF p;
      EXIT WHEN FOUND;
      INSERT INTO journal.budget_periods (budget_id, period_start, resets_at) VALUES (ids[n], starts[n], ends[n])
      ON CONFLICT DO NOTHING;
    END LOOP;
    limits[n] := standing.most;
    room[n] := standing.room;
  END LOOP;
  FOR n IN 1 .. cardinality(calls) LOOP
    places := matched[n]::int[];
    least := places[1];
    FOREACH place IN ARRAY places LOOP
      IF room[place] < room[least] THEN
        least := place;
      END IF;
    END LOOP;
    IF room[least] < amounts[n] THEN
      UPDATE journal.requests r SET attempts = r.attempts - 1
       WHERE r.tenant_id = tenants[n] AND r.request_id = requests[n];
      call_id := calls[n];
      budget_id := ids[least];
      limit_usd := limits[least];
      left_usd := greatest(room[least], 0);
      resets_at := ends[least];
      RETURN NEXT;
    ELSE
      FOREACH place IN ARRAY places LOOP
        room[place] := room[place] - amounts[n];
        taken[place] := taken[place] + amounts[n];
      END LOOP;
      admitted := admitted || n;
    END IF;
  END LOOP;
  INSERT INTO journal.reservations (call_id, budget_id, period_start, amount_usd)
  SELECT calls[a.n], ids[m.place], starts[m.place], amounts[a.n]
    FROM unnest(admitted) AS a (n), unnest(matched[a.n]::int[]) AS m (place);
  UPDATE journal.budget_periods p
     SET reserved_usd = p.reserved_usd + u.taken
    FROM unnest(ids, starts, taken) AS u (budget_id, period_start, taken)
   WHERE p.budget_id = u.budget_id AND p.period_start = u.period_start AND u.taken <> 0;
END $$;

-- Charges attempts to their budgets, in the periods in which they were reserved: `charges` are what they cost, null: all
-- is held again. A repeat changes nothing. Called last in its transaction, with the rows of the attempts locked.
CREATE FUNCTION journal.charge(calls uuid[], charges numeric[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM
     FROM journal.budget_periods p
     JOIN (SELECT DISTINCT r.budget_id, r.period_start FROM journal.reservations r WHERE r.call_id = ANY (calls)) AS mine
       ON p.budget_id = mine.budget_id AND p.period_start = mine.period_start
    ORDER BY p.budget_id COLLATE "C", p.period_start
      FOR UPDATE OF p;
  WITH known AS MATERIALIZED (
    SELECT r.call_id, r.budget_id, r.period_start, r.amount_usd, r.charged_usd AS before, c.charge
      FROM unnest(calls, charges) AS c (call_id, charge)
      JOIN journal.reservations r ON r.call_id = c.call_id
     WHERE r.charged_usd IS DISTINCT FROM c.charge
  ), written AS (
    UPDATE journal.reservations r
       SET charged_usd = k.charge
      FROM known k
     WHERE r.call_id = k.call_id AND r.budget_id = k.budget_id
  ), changes AS (
    SELECT budget_id, period_start,
           sum(CASE WHEN charge IS NULL THEN amount_usd ELSE 0 END)
             - sum(CASE WHEN before IS NULL THEN amount_usd ELSE 0 END) AS held,
           sum(coalesce(charge, 0) - coalesce(before, 0)) AS spent
      FROM known
     GROUP BY budget_id, period_start
  )
  UPDATE journal.budget_periods p
     SET spent_usd = p.spent_usd + c.spent, reserved_usd = p.reserved_usd + c.held
    FROM changes c
   WHERE p.budget_id = c.budget_id AND p.period_start = c.period_start;
  RETURN true;
END $$;
