SELECT oid::UINTEGER AS oid, nspname, 10::UINTEGER AS nspowner, ['stackhouse=UC/stackhouse', '=U/stackhouse'] AS nspacl
FROM (VALUES (11, 'pg_catalog'), (2200, 'public'), (13207, 'information_schema'), (1664675691, 'system')) AS schemas(oid, nspname)
