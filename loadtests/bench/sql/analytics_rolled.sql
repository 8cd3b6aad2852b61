-- How many hours from $1 to $2, and days up to there, are not summed yet, their totals included.
SELECT (SELECT count(*) FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 hour', interval '1 hour') AS h
         WHERE NOT EXISTS (SELECT FROM ledger.rolled r
                            WHERE r.sums = 'rollup_1h_totals' AND r.bucket = h AND r.until > r.bucket))
     + (SELECT count(*) FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 hour', interval '1 day') AS d
         WHERE NOT EXISTS (SELECT FROM ledger.rolled r
                            WHERE r.sums = 'rollup_1d_by' AND r.bucket = d AND r.until >= least(d + interval '1 day', $2)))
     + (SELECT count(*) FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 day', interval '1 day') AS d
         WHERE NOT EXISTS (SELECT FROM ledger.rolled r
                            WHERE r.sums = 'rollup_1d_totals' AND r.bucket = d AND r.until > r.bucket))
