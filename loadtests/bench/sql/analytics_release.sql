-- Lets the ledger sum what is over.
SELECT pg_advisory_unlock(7305117216)
