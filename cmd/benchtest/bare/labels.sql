-- labels: every name and value of the series of the blocks
SELECT DISTINCT unnest(map_keys(labels)) AS name, unnest(map_values(labels)) AS text, 1 AS value FROM read_parquet($series)
