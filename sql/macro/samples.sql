-- samples: one row for each profile, series, stacktrace and span
SELECT time, service_name, profile_type, series_id, stacktrace_id, profile_id, span_id, trace_id, attributes_id, value
FROM read_parquet($files, hive_partitioning = false)
WHERE $masks                                                                            --? masks
