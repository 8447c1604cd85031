SELECT
  r.oid AS relid, pgcat.main.regnamespace_out(r.relnamespace) AS schemaname, r.relname,
  0::BIGINT AS heap_blks_read, 0::BIGINT AS heap_blks_hit
FROM pgcat.main.pg_class r WHERE r.relkind = 'r'
