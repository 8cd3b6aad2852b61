-- How many hours from $1 to $2, and days up to there, are not summed yet in every table of sums.
WITH hours AS (
  SELECT 'rollup_1h_totals' AS sums, h AS bucket, h + interval '1 hour' AS until
    FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 hour', interval '1 hour') AS h
  UNION ALL
  SELECT 'rollup_1h_parts', h, h + interval '1 hour'
    FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 hour', interval '1 hour') AS h
), days AS (
  SELECT d FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 hour', interval '1 day') AS d
), wanted AS (
  SELECT * FROM hours
  UNION ALL
  SELECT sums, d, least(d + interval '1 day', $2)
    FROM days, unnest(ARRAY['rollup_1d_by', 'rollup_1d_users']) AS sums
  UNION ALL
  SELECT sums, d, d + interval '1 day'
    FROM days, unnest(ARRAY['rollup_1d_totals', 'rollup_1d_parts']) AS sums WHERE d + interval '1 day' <= $2
  UNION ALL
  SELECT 'waste_1d', d, d + interval '1 day' FROM days WHERE d + interval '2 days' <= $2
  UNION ALL
  SELECT 'rollup_1w_users', d, d + interval '7 days'
    FROM days WHERE d = date_trunc('week', d, 'UTC') AND d + interval '7 days' <= $2
)
SELECT count(*) FROM wanted w
 WHERE NOT EXISTS (SELECT FROM ledger.rolled r WHERE r.sums = w.sums AND r.bucket = w.bucket AND r.until >= w.until)
