-- mask: a condition on the rows of some files, which hides those that are deleted
--
-- It stands where another statement has the line "--? masks", once for each
-- deletion; files are numbered in the order of $files there, from 0.
-- Bounds: from is included, to is not; microseconds since the epoch.
  AND NOT (list_contains($files::BIGINT[], file_index::BIGINT)
    AND list_contains($services::VARCHAR[], service_name)                    --? services
    AND list_contains($types::VARCHAR[], profile_type)                       --? types
    AND series_id IN (SELECT unnest($series::BIGINT[]))                      --? series
    AND time >= make_timestamptz($from::BIGINT) AND time < make_timestamptz($to::BIGINT))
