SELECT
  'stackhouse' AS grantor, 'PUBLIC' AS grantee, current_database() AS table_catalog,
  pgcat.main.regnamespace_out(r.relnamespace) AS table_schema,
  r.relname AS table_name, a.attname AS column_name, 'SELECT' AS privilege_type, 'NO' AS is_grantable
FROM pgcat.main.pg_attribute a JOIN pgcat.main.pg_class r ON r.oid = a.attrelid
