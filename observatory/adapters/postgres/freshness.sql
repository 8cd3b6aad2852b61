-- How far everything that reads topics is. A sink that never read a partition has no moment up to which it is complete.

-- name: partitions
SELECT DISTINCT ON (sink, topic, part) sink, topic, part AS partition, next_offset, applied_until AS complete_until
  FROM ledger.sink_offsets ORDER BY sink, topic, part, log_epoch DESC

-- name: now
SELECT clock_timestamp()
