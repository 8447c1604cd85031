-- series_points: (series_id BIGINT, step BIGINT, value HUGEINT, profiles BIGINT)
--
-- Adds the totals of profiles up, by series and step; see profile_sums.sql for
-- the steps.
SELECT series_id, (epoch_us(time) - $start::BIGINT + $step::BIGINT - 1) // $step::BIGINT AS step, sum(value) AS value, count(*) AS profiles
FROM read_parquet($files)
WHERE profile_type = $type
  AND service_name = $service                                                --? service
  AND list_contains($services, service_name)                                 --? services
  AND time BETWEEN make_timestamptz($from::BIGINT) AND make_timestamptz($to::BIGINT)
  AND series_id IN (SELECT unnest($series::BIGINT[]))                        --? series
  AND profile_id IN (SELECT unnest($profiles::UUID[]))                       --? profiles
                                                                             --? masks
GROUP BY ALL
