-- sample_rows: the samples of one profile type as they are
--
-- Fills the cache of small datasets. file_index counts the files of the list;
-- file_row_number tells the dataset of a row, since the index knows how many
-- samples each has and files are sorted by service and type.
SELECT file_index, file_row_number, series_id, time, stacktrace_id, value
FROM read_parquet($files)
WHERE profile_type = $type
  AND service_name = $service                 --? service
  AND list_contains($services, service_name)  --? services
