SELECT
  current_database() AS view_catalog, 'public' AS view_schema, v.relname AS view_name,
  current_database() AS table_catalog, 'public' AS table_schema, t.relname AS table_name
FROM pgcat.main.pg_class v
JOIN pgcat.data.view_definition d ON d.oid = v.oid
JOIN pgcat.main.pg_class t ON t.relnamespace = 2200 AND t.relkind = 'r' AND regexp_matches(d.definition, '\b(FROM|JOIN) ' || t.relname || '\b')
