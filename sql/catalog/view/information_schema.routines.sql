SELECT
  current_database() AS specific_catalog, 'public' AS specific_schema, p.proname || '_' || p.oid AS specific_name,
  current_database() AS routine_catalog, 'public' AS routine_schema, p.proname AS routine_name, 'FUNCTION' AS routine_type,
  'record' AS data_type, current_database() AS type_udt_catalog, 'pg_catalog' AS type_udt_schema, 'record' AS type_udt_name,
  '0' AS dtd_identifier, 'EXTERNAL' AS routine_body, p.prosrc AS external_name, 'INTERNAL' AS external_language,
  'GENERAL' AS parameter_style, 'NO' AS is_deterministic, 'READS' AS sql_data_access, 'NO' AS is_null_call,
  'YES' AS schema_level_routine, 0 AS max_dynamic_result_sets, 'INVOKER' AS security_type, 'NO' AS as_locator, 'NO' AS is_udt_dependent
FROM pgcat.main.pg_proc p WHERE p.pronamespace = 2200
