SELECT
  r.oid AS relid, pgcat.main.regnamespace_out(r.relnamespace) AS schemaname, r.relname,
  0::BIGINT AS seq_scan, 0::BIGINT AS seq_tup_read, 0::BIGINT AS n_tup_ins, 0::BIGINT AS n_tup_upd, 0::BIGINT AS n_tup_del,
  0::BIGINT AS n_tup_hot_upd, 0::BIGINT AS n_live_tup, 0::BIGINT AS n_dead_tup, 0::BIGINT AS n_mod_since_analyze,
  0::BIGINT AS n_ins_since_vacuum, 0::BIGINT AS vacuum_count, 0::BIGINT AS autovacuum_count, 0::BIGINT AS analyze_count,
  0::BIGINT AS autoanalyze_count
FROM pgcat.main.pg_class r WHERE r.relkind = 'r'
