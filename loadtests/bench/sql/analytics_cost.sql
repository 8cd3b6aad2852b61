-- What the calls of tenant $3 from $1 on and before $2 cost.
SELECT sum(cost_usd) FROM ledger.calls WHERE started_at >= $1 AND started_at < $2 AND tenant_id = $3
