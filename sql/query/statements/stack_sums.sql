-- stack_sums: (stacktrace_id BIGINT, value HUGEINT), one row a stacktrace
--
-- Adds the samples of one profile type up. Lines marked with a question mark
-- are there only when the query has that restriction: a filter that every row
-- passes still costs reading its column.
-- Bounds: both ends of the time included, in microseconds since the epoch.
SELECT stacktrace_id, sum(value) AS value
FROM read_parquet($files)
WHERE profile_type = $type
  AND service_name = $service                                                --? service
  AND list_contains($services, service_name)                                 --? services
  AND time BETWEEN make_timestamptz($from::BIGINT) AND make_timestamptz($to::BIGINT)  --? from
  AND series_id BETWEEN $series_min AND $series_max                          --? series
  AND series_id IN (SELECT unnest($series::BIGINT[]))                        --? series
  AND profile_id IN (SELECT unnest($profiles::UUID[]))                       --? profiles
  AND span_id IN (SELECT unnest($spans::VARCHAR[]))                          --? spans
  AND trace_id IN (SELECT unnest($traces::VARCHAR[]))                        --? traces
                                                                             --? masks
GROUP BY stacktrace_id
