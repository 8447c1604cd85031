-- series_index: which series of one part have profiles from when to when
--
-- The order is that of the file; the reader checks it.
SELECT service_name, profile_type, series_id, min(time) AS first, max(time) AS last
FROM read_parquet($files)
WHERE true
                                                                             --? masks
GROUP BY ALL
ORDER BY service_name, profile_type, series_id
