-- stacktraces: one row for each stacktrace
--
-- Within a file ids are unique; several files may define the same one. The first
-- definition is found by ids alone: comparing or collecting the lists of hundreds
-- of thousands of stacktraces takes most of a second, see docs/adr/0020.
-- Files from $sure on are of hours of which something is deleted: what they define
-- counts if a sample that is left has it.
SELECT stacktrace_id, functions, system_names, filenames, lines, start_lines, mappings, build_ids, addresses, inlined
FROM read_parquet($files, hive_partitioning = false, file_row_number = true)
WHERE (file_index::BIGINT << 32) + file_row_number IN (                                 --? first
    SELECT min((file_index::BIGINT << 32) + file_row_number)                            --? first
    FROM read_parquet($files, hive_partitioning = false, file_row_number = true)        --? first
    WHERE file_index < $sure OR stacktrace_id IN (SELECT stacktrace_id FROM ($facts))   --? doubtful
    GROUP BY stacktrace_id)                                                             --? first
