SELECT
  current_database() AS table_catalog,
  pgcat.main.regnamespace_out(r.relnamespace) AS table_schema,
  r.relname AS table_name, v.definition AS view_definition, 'NONE' AS check_option,
  'NO' AS is_updatable, 'NO' AS is_insertable_into, 'NO' AS is_trigger_updatable, 'NO' AS is_trigger_deletable,
  'NO' AS is_trigger_insertable_into
FROM pgcat.main.pg_class r LEFT JOIN pgcat.data.view_definition v ON v.oid = r.oid
WHERE r.relkind = 'v'
