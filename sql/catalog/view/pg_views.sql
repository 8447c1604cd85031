SELECT
  pgcat.main.regnamespace_out(r.relnamespace) AS schemaname,
  r.relname AS viewname, 'stackhouse' AS viewowner, v.definition
FROM pgcat.main.pg_class r LEFT JOIN pgcat.data.view_definition v ON v.oid = r.oid
WHERE r.relkind = 'v'
