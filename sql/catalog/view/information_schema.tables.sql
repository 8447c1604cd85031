SELECT
  current_database() AS table_catalog,
  pgcat.main.regnamespace_out(r.relnamespace) AS table_schema,
  r.relname AS table_name, CASE r.relkind WHEN 'v' THEN 'VIEW' ELSE 'BASE TABLE' END AS table_type,
  'NO' AS is_insertable_into, 'NO' AS is_typed
FROM pgcat.main.pg_class r
