SELECT
  pgcat.main.regnamespace_out(r.relnamespace) AS schemaname,
  r.relname AS tablename, 'stackhouse' AS tableowner,
  false AS hasindexes, false AS hasrules, false AS hastriggers, false AS rowsecurity
FROM pgcat.main.pg_class r WHERE r.relkind = 'r'
