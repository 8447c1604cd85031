SELECT
  current_database() AS specific_catalog, 'public' AS specific_schema, p.proname || '_' || p.oid AS specific_name,
  p.position AS ordinal_position, CASE p.mode WHEN 'i' THEN 'IN' ELSE 'OUT' END AS parameter_mode,
  'NO' AS is_result, 'NO' AS as_locator, p.name AS parameter_name, n.name AS data_type,
  current_database() AS udt_catalog, 'pg_catalog' AS udt_schema, t.typname AS udt_name, p.position::VARCHAR AS dtd_identifier
FROM (
  SELECT oid, proname, unnest(proallargtypes) AS type, unnest(proargmodes) AS mode, unnest(proargnames) AS name,
    generate_subscripts(proallargtypes, 1) AS position
  FROM pgcat.main.pg_proc WHERE pronamespace = 2200
) p
JOIN pgcat.main.pg_type t ON t.oid = p.type JOIN pgcat.data.type_name n ON n.oid = p.type
