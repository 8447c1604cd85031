-- mask: a condition that hides the deleted rows of some files
--
-- Files are numbered in the order of the relation's list, from 0. Times are
-- microseconds; the first is deleted, the last is not.
NOT (file_index IN ($places)
  AND service_name IN ($services)                                                       --? services
  AND profile_type IN ($types)                                                          --? types
  AND series_id IN (SELECT unnest([$series]::BIGINT[]))                                 --? series
  AND time >= make_timestamptz($from::BIGINT) AND time < make_timestamptz($to::BIGINT))
