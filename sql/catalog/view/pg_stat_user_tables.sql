SELECT * FROM pgcat.main.pg_stat_all_tables WHERE schemaname IN ('public', 'system')
