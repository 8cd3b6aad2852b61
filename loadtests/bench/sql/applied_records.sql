-- How many records of the topic the ledger has applied, over all its logs and partitions.
SELECT coalesce(sum(next_offset), 0)::bigint FROM ledger.sink_offsets WHERE sink = 'ledger' AND topic = $1
