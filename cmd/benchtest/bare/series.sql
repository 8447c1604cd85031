-- series: one time series, over the profiles of the blocks
SELECT (epoch_us(time) - $from + $step - 1) // $step AS step, sum(value) AS value
FROM read_parquet($profiles)
WHERE profile_type = $type AND time BETWEEN make_timestamptz($from) AND make_timestamptz($to)
GROUP BY ALL
