-- Rows of a table of the ledger in the order of their names, each with the time of its name in microseconds before it.
-- $1: from which time on.

-- name: columns
SELECT column_name, data_type, udt_name FROM information_schema.columns
 WHERE table_schema = 'ledger' AND table_name = $1 ORDER BY ordinal_position

-- name: one_snapshot
-- Nothing of what is read may end the transaction, however long it takes.
SET LOCAL idle_in_transaction_session_timeout = 0;
SET LOCAL statement_timeout = 0;
SET LOCAL work_mem = '64MB'

-- name: rows
SELECT (extract(epoch FROM {time}) * 1000000)::bigint, {columns}
  FROM ledger.{table} WHERE {time} >= $1 ORDER BY {order}

-- name: sums
SELECT (extract(epoch FROM {time}) * 1000000)::bigint, {columns}
  FROM ledger.{table} WHERE {time} >= $1 GROUP BY {time}, {names} ORDER BY {order}
