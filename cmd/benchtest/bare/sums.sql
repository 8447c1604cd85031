-- sums: the group-by of a flame graph, over the samples of the blocks
SELECT stacktrace_id, sum(value) AS value
FROM read_parquet($samples)
WHERE profile_type = $type
  AND ($service = '' OR service_name = $service)
  AND time BETWEEN make_timestamptz($from) AND make_timestamptz($to)
GROUP BY stacktrace_id
