-- series: one row for each series
--
-- Within a file ids are unique; several files may define the same one. The first
-- definition is found by ids alone, so that labels are read once and never compared.
SELECT series_id, service_name, profile_type, labels
FROM read_parquet($files, hive_partitioning = false, file_row_number = true)
WHERE (file_index::BIGINT << 32) + file_row_number IN (                                 --? many
    SELECT min((file_index::BIGINT << 32) + file_row_number)                            --? many
    FROM read_parquet($files, hive_partitioning = false, file_row_number = true)        --? many
    GROUP BY series_id)                                                                 --? many
