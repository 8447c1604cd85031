-- extent: (file BIGINT, profiles BIGINT, rows BIGINT, samples HUGEINT)
--
-- How much some series have in a range of time: in each file, and in all (file -1).
-- A profile that is split into several series counts once.
-- Bounds: both ends included, in microseconds since the epoch.
SELECT coalesce(file_index::BIGINT, -1) AS file, count(DISTINCT profile_id) AS profiles, count(*) AS rows, coalesce(sum(samples::BIGINT), 0)::HUGEINT AS samples
FROM read_parquet($files)
WHERE time BETWEEN make_timestamptz($from::BIGINT) AND make_timestamptz($to::BIGINT)
  AND series_id IN (SELECT unnest($series::BIGINT[]))
                                                                             --? masks
GROUP BY GROUPING SETS ((file_index), ())
