-- profile_sums: (series_id BIGINT, step BIGINT, value HUGEINT)
--
-- Adds the samples of some stacktraces up, by series and step. Step k covers
-- (start + (k-1)*step, start + k*step]; times are microseconds.
-- Bounds: from and to are included; from > start - step, so the dividend of the
-- integer division is never negative.
SELECT series_id, (epoch_us(time) - $start::BIGINT + $step::BIGINT - 1) // $step::BIGINT AS step, sum(value) AS value
FROM read_parquet($files)
WHERE profile_type = $type
  AND service_name = $service                                                --? service
  AND list_contains($services, service_name)                                 --? services
  AND time BETWEEN make_timestamptz($from::BIGINT) AND make_timestamptz($to::BIGINT)
  AND series_id IN (SELECT unnest($series::BIGINT[]))                        --? series
  AND stacktrace_id IN (SELECT unnest($stacks::BIGINT[]))                    --? stacks
  AND profile_id IN (SELECT unnest($profiles::UUID[]))                       --? profiles
  AND span_id IN (SELECT unnest($spans::VARCHAR[]))                          --? spans
  AND trace_id IN (SELECT unnest($traces::VARCHAR[]))                        --? traces
                                                                             --? masks
GROUP BY ALL
