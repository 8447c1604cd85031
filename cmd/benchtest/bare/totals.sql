-- totals: the same over the totals that a final block carries for whole hours
SELECT stacktrace_id, sum(value) AS value
FROM read_parquet($totals)
WHERE profile_type = $type
  AND ($service = '' OR service_name = $service)
GROUP BY stacktrace_id
