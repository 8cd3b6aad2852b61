-- A row of the journal is written, settled and marked. Settling shall be a HOT update: no index may hold what it
-- changes, and the page must have room for the row as it will be.
DROP INDEX journal.attempts_to_reconcile;
ALTER TABLE journal.attempts SET (fillfactor = 45);
ALTER TABLE journal.requests SET (fillfactor = 45);
