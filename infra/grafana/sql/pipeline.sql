-- Whether everything flows: how far it is complete, what waits, what could not be settled.

-- name: completeness
SELECT sink, topic, count(*) AS partitions, CASE WHEN count(*) = count(applied_until) THEN min(applied_until) END AS complete_until,
       CASE WHEN count(*) = count(applied_until) THEN extract(epoch FROM now() - min(applied_until)) END AS behind_s
  FROM (SELECT DISTINCT ON (sink, topic, part) sink, topic, applied_until
          FROM ledger.sink_offsets ORDER BY sink, topic, part, log_epoch DESC) AS newest
 GROUP BY 1, 2 ORDER BY behind_s DESC NULLS FIRST, 1, 2

-- name: outbox
SELECT what, waiting, since
  FROM (SELECT 'calls' AS what, count(*) AS waiting, min(changed_at) AS since
          FROM journal.attempts WHERE open AND status <> 'started'
        UNION ALL
        SELECT 'outcomes', count(*), min(finished_at) FROM journal.requests WHERE open AND state <> 'claimed'
        UNION ALL
        SELECT 'alerts', count(*), min(coalesce(resolved_at, raised_at)) FROM ledger.alerts WHERE open
        UNION ALL
        SELECT 'adjustments', count(*), min(adjusted_at) FROM journal.adjustments WHERE open) AS waits

-- name: under_way
SELECT (SELECT count(*) FROM journal.requests WHERE open AND state = 'claimed') AS requests,
       (SELECT count(*) FROM journal.attempts WHERE open AND status = 'started') AS calls,
       (SELECT count(*) FROM journal.attempts WHERE cost_state = 'estimated' AND status = 'unknown') AS unknown_calls

-- name: recorded_late
-- From a call's end to its fact, by when it ended: what the ledger adds.
SELECT $__timeGroupAlias(ended_at, $__interval),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM recorded_at - ended_at)) AS p50,
       percentile_disc(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM recorded_at - ended_at)) AS p99
  FROM ledger.calls
 WHERE $__timeFilter(started_at) AND ended_at IS NOT NULL AND revision = 1
 GROUP BY 1 ORDER BY 1

-- name: sizes
SELECT hypertable_schema || '.' || hypertable_name AS "table", num_chunks AS chunks,
       hypertable_size(format('%I.%I', hypertable_schema, hypertable_name)::regclass) AS bytes
  FROM timescaledb_information.hypertables ORDER BY bytes DESC, 1
