SELECT
  'stackhouse' AS grantor, 'PUBLIC' AS grantee,
  current_database() AS specific_catalog, 'public' AS specific_schema, p.proname || '_' || p.oid AS specific_name,
  current_database() AS routine_catalog, 'public' AS routine_schema, p.proname AS routine_name,
  'EXECUTE' AS privilege_type, 'NO' AS is_grantable
FROM pgcat.main.pg_proc p WHERE p.pronamespace = 2200
