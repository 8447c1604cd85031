-- series: one row for each series
--
-- Within a file ids are unique; several files may define the same one. The first
-- definition is found by ids alone, so that labels are read once and never compared.
-- Files from $sure on are of hours of which something is deleted: what they define
-- counts if a profile that is left has it.
SELECT series_id, service_name, profile_type, labels
FROM read_parquet($files, hive_partitioning = false, file_row_number = true)
WHERE (file_index::BIGINT << 32) + file_row_number IN (                                 --? first
    SELECT min((file_index::BIGINT << 32) + file_row_number)                            --? first
    FROM read_parquet($files, hive_partitioning = false, file_row_number = true)        --? first
    WHERE file_index < $sure OR series_id IN (SELECT series_id FROM ($facts))           --? doubtful
    GROUP BY series_id)                                                                 --? first
