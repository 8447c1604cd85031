SELECT current_database() AS catalog_name, nspname AS schema_name, 'stackhouse' AS schema_owner
FROM (VALUES ('information_schema'), ('pg_catalog'), ('public'), ('system')) AS schemas(nspname)
