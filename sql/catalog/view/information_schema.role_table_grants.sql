SELECT
  'stackhouse' AS grantor, 'PUBLIC' AS grantee, current_database() AS table_catalog,
  pgcat.main.regnamespace_out(r.relnamespace) AS table_schema,
  r.relname AS table_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable, 'YES' AS with_hierarchy
FROM pgcat.main.pg_class r
