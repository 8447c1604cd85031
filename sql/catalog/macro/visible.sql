-- What the search path finds: PostgreSQL's catalogue and the schema public.

CREATE MACRO pgcat.main.pg_table_is_visible(object_oid) AS (
  SELECT _relnamespace IN (11, 2200)
  FROM (SELECT oid AS _oid, relnamespace AS _relnamespace FROM pgcat.main.pg_class) WHERE _oid = object_oid::UINTEGER);
CREATE MACRO pgcat.main.pg_type_is_visible(object_oid) AS (
  SELECT _typnamespace IN (11, 2200)
  FROM (SELECT oid AS _oid, typnamespace AS _typnamespace FROM pgcat.main.pg_type) WHERE _oid = object_oid::UINTEGER);
CREATE MACRO pgcat.main.pg_function_is_visible(object_oid) AS (
  SELECT _pronamespace IN (11, 2200)
  FROM (SELECT oid AS _oid, pronamespace AS _pronamespace FROM pgcat.main.pg_proc) WHERE _oid = object_oid::UINTEGER);

-- All of the others are in pg_catalog.
CREATE MACRO pgcat.main.pg_operator_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_collation_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_conversion_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_opclass_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_opfamily_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_statistics_obj_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_ts_config_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_ts_dict_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_ts_parser_is_visible(object_oid) AS object_oid IS NOT NULL;
CREATE MACRO pgcat.main.pg_ts_template_is_visible(object_oid) AS object_oid IS NOT NULL;
