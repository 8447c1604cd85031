-- series_by_pod: a time series for each pod, over the profiles of the blocks
SELECT labels['pod'] AS pod, (epoch_us(p.time) - $from + $step - 1) // $step AS step, sum(value) AS value
FROM read_parquet($profiles) p JOIN (SELECT DISTINCT ON (series_id) series_id, labels FROM read_parquet($series)) USING (series_id)
WHERE p.profile_type = $type
  AND ($service = '' OR p.service_name = $service)
  AND p.time BETWEEN make_timestamptz($from) AND make_timestamptz($to)
GROUP BY ALL
