-- sums_matching: the group-by of a flame graph of the series whose labels match
SELECT stacktrace_id, sum(value) AS value
FROM read_parquet($samples)
WHERE profile_type = $type
  AND series_id IN (
    SELECT series_id FROM read_parquet($series)
    WHERE regexp_full_match(labels['region'], 'eu-.*') AND labels['namespace'] IN ('shop', 'platform')
  )
  AND time BETWEEN make_timestamptz($from) AND make_timestamptz($to)
GROUP BY stacktrace_id
