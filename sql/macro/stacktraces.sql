-- stacktraces: one row for each stacktrace
--
-- Within a file ids are unique; several files may define the same one. The first
-- definition is found by ids alone: comparing or collecting the lists of hundreds
-- of thousands of stacktraces takes most of a second, see docs/adr/0020.
SELECT stacktrace_id, functions, system_names, filenames, lines, start_lines, mappings, build_ids, addresses, inlined
FROM read_parquet($files, hive_partitioning = false, file_row_number = true)
WHERE (file_index::BIGINT << 32) + file_row_number IN (                                 --? many
    SELECT min((file_index::BIGINT << 32) + file_row_number)                            --? many
    FROM read_parquet($files, hive_partitioning = false, file_row_number = true)        --? many
    GROUP BY stacktrace_id)                                                             --? many
