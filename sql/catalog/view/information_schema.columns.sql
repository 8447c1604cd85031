SELECT
  current_database() AS table_catalog,
  pgcat.main.regnamespace_out(r.relnamespace) AS table_schema,
  r.relname AS table_name, a.attname AS column_name, a.attnum::INTEGER AS ordinal_position,
  CASE WHEN a.attnotnull THEN 'NO' ELSE 'YES' END AS is_nullable,
  CASE WHEN b.typelem <> 0 AND b.typlen = -1 THEN 'ARRAY' WHEN b.typnamespace <> 11 THEN 'USER-DEFINED' ELSE n.name END AS data_type,
  CASE WHEN b.oid IN (25, 1042, 1043) THEN 1073741824 END AS character_octet_length,
  CASE b.oid WHEN 21 THEN 16 WHEN 23 THEN 32 WHEN 20 THEN 64 WHEN 700 THEN 24 WHEN 701 THEN 53 END AS numeric_precision,
  CASE WHEN b.oid IN (20, 21, 23, 700, 701) THEN 2 WHEN b.oid = 1700 THEN 10 END AS numeric_precision_radix,
  CASE WHEN b.oid IN (20, 21, 23) THEN 0 END AS numeric_scale,
  CASE WHEN b.oid = 1082 THEN 0 WHEN b.oid IN (1083, 1114, 1184, 1186, 1266) THEN 6 END AS datetime_precision,
  CASE WHEN t.typtype = 'd' THEN current_database() END AS domain_catalog,
  CASE WHEN t.typtype = 'd' THEN 'information_schema' END AS domain_schema,
  CASE WHEN t.typtype = 'd' THEN t.typname END AS domain_name,
  current_database() AS udt_catalog, pgcat.main.regnamespace_out(b.typnamespace) AS udt_schema,
  b.typname AS udt_name, a.attnum::VARCHAR AS dtd_identifier, 'NO' AS is_self_referencing,
  'NO' AS is_identity, 'NO' AS identity_cycle, 'NEVER' AS is_generated, 'NO' AS is_updatable
FROM pgcat.main.pg_attribute a
JOIN pgcat.main.pg_class r ON r.oid = a.attrelid
JOIN pgcat.main.pg_type t ON t.oid = a.atttypid
JOIN pgcat.main.pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
JOIN pgcat.data.type_name n ON n.oid = b.oid
