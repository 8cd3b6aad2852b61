-- How many records the slowest of these sinks has applied, over all its logs, topics and partitions.
SELECT coalesce(min(applied), 0)::bigint FROM (
  SELECT coalesce(sum(o.next_offset), 0) AS applied
  FROM unnest($1::text[]) AS s(sink) LEFT JOIN ledger.sink_offsets AS o ON o.sink = s.sink AND o.topic = $2
  GROUP BY s.sink) AS each
