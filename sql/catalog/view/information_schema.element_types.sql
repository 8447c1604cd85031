SELECT
  current_database() AS object_catalog,
  pgcat.main.regnamespace_out(r.relnamespace) AS object_schema,
  r.relname AS object_name, CASE r.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END AS object_type,
  a.attnum::VARCHAR AS collection_type_identifier, n.name AS data_type, current_database() AS udt_catalog, 'pg_catalog' AS udt_schema,
  e.typname AS udt_name, 'a' || a.attnum AS dtd_identifier
FROM pgcat.main.pg_attribute a
JOIN pgcat.main.pg_class r ON r.oid = a.attrelid
JOIN pgcat.main.pg_type t ON t.oid = a.atttypid AND t.typelem <> 0 AND t.typlen = -1
JOIN pgcat.main.pg_type e ON e.oid = t.typelem
JOIN pgcat.data.type_name n ON n.oid = e.oid
