SELECT call_id FROM ledger.calls WHERE call_id = ANY($1::uuid[])
