-- The facts of some tenants, the calls that their rollups say there were, and whether both cost the same.
SELECT (SELECT count(*) FROM ledger.calls WHERE tenant_id LIKE $1) AS facts,
       (SELECT coalesce(sum(calls), 0)::bigint FROM ledger.rollup_1m WHERE tenant_id LIKE $1) AS in_rollups,
       (SELECT coalesce(sum(cost_usd), 0) FROM ledger.calls WHERE tenant_id LIKE $1)
         = (SELECT coalesce(sum(cost_usd), 0) FROM ledger.rollup_1m WHERE tenant_id LIKE $1) AS same_cost
