-- profiles: one row for each profile received and series in it
SELECT time, service_name, profile_type, series_id, profile_id, duration_ns, period, value, samples, received, flags
FROM read_parquet($files, hive_partitioning = false)
WHERE $masks                                                                            --? masks
