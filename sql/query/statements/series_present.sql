-- series_present: which of some series have a profile in a range of time
--
-- Bounds: both ends included, in microseconds since the epoch.
SELECT DISTINCT series_id
FROM read_parquet($files)
WHERE time BETWEEN make_timestamptz($from::BIGINT) AND make_timestamptz($to::BIGINT)
  AND series_id IN (SELECT unnest($series::BIGINT[]))
                                                                             --? masks
