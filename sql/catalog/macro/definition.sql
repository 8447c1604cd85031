-- SQL that would define an object. Of what is not here, such as indexes, there is none.

CREATE MACRO pgcat.main.pg_get_expr(node_tree, relation_oid) AS node_tree::VARCHAR, (node_tree, relation_oid, pretty) AS node_tree::VARCHAR;

CREATE MACRO pgcat.main.pg_get_viewdef(view_oid) AS (
  SELECT _definition
  FROM (SELECT oid AS _oid, definition AS _definition FROM pgcat.data.view_definition) WHERE _oid = pgcat.main.regclass_in(view_oid)),
(view_oid, pretty) AS (
  SELECT _definition
  FROM (SELECT oid AS _oid, definition AS _definition FROM pgcat.data.view_definition) WHERE _oid = pgcat.main.regclass_in(view_oid));

CREATE MACRO pgcat.main.pg_get_userbyid(role_oid) AS CASE
    WHEN role_oid = 10 THEN 'stackhouse'
    WHEN role_oid::UINTEGER = pgcat.main.role_oid(pgcat.main.session_user()) THEN pgcat.main.session_user()
    ELSE 'unknown (OID=' || role_oid || ')'
  END;

CREATE MACRO pgcat.main.pg_get_indexdef(index_oid) AS NULL::VARCHAR, (index_oid, column_number, pretty) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_constraintdef(constraint_oid) AS NULL::VARCHAR, (constraint_oid, pretty) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_triggerdef(trigger_oid) AS NULL::VARCHAR, (trigger_oid, pretty) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_ruledef(rule_oid) AS NULL::VARCHAR, (rule_oid, pretty) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_partkeydef(relation_oid) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_partition_constraintdef(relation_oid) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_statisticsobjdef(statistics_oid) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_statisticsobjdef_columns(statistics_oid) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_statisticsobjdef_expressions(statistics_oid) AS NULL::VARCHAR[];
CREATE MACRO pgcat.main.pg_get_serial_sequence(table_name, column_name) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_index_column_has_property(index_oid, column_number, property) AS NULL::BOOLEAN;
CREATE MACRO pgcat.main.pg_index_has_property(index_oid, property) AS NULL::BOOLEAN;
CREATE MACRO pgcat.main.pg_indexam_has_property(am_oid, property) AS NULL::BOOLEAN;
CREATE MACRO pgcat.main.pg_options_to_table(options) AS TABLE
  SELECT ''::VARCHAR AS option_name, ''::VARCHAR AS option_value WHERE false AND options IS NULL;

CREATE MACRO pgcat.main.pg_get_function_arguments(function_oid) AS (
  SELECT _arguments FROM (SELECT oid AS _oid, arguments AS _arguments FROM pgcat.data.signature) WHERE _oid = function_oid::UINTEGER);
CREATE MACRO pgcat.main.pg_get_function_identity_arguments(function_oid) AS (
  SELECT _identity FROM (SELECT oid AS _oid, identity AS _identity FROM pgcat.data.signature) WHERE _oid = function_oid::UINTEGER);
CREATE MACRO pgcat.main.pg_get_function_result(function_oid) AS (
  SELECT _result FROM (SELECT oid AS _oid, result AS _result FROM pgcat.data.signature) WHERE _oid = function_oid::UINTEGER);
CREATE MACRO pgcat.main.pg_get_function_sqlbody(function_oid) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_functiondef(function_oid) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_get_function_arg_default(function_oid, argument_number) AS NULL::VARCHAR;

CREATE MACRO pgcat.main.pg_get_keywords() AS TABLE
  SELECT word, catcode, barelabel, catdesc, baredesc FROM pgcat.data.keyword;

-- Nothing is partitioned or published: a relation is its own only ancestor.
CREATE MACRO pgcat.main.pg_partition_ancestors(relation_oid) AS unnest([pgcat.main.regclass_in(relation_oid)]);
CREATE MACRO pgcat.main.pg_partition_ancestors(relation_oid) AS TABLE
  SELECT pgcat.main.regclass_in(relation_oid) AS relid, 1::BIGINT AS ordinality;
CREATE MACRO pgcat.main.pg_partition_root(relation_oid) AS NULL::UINTEGER;
CREATE MACRO pgcat.main.pg_relation_is_publishable(relation_oid) AS false;
CREATE MACRO pgcat.main.pg_relation_is_updatable(relation_oid, with_triggers) AS 0;
CREATE MACRO pgcat.main.pg_column_is_updatable(relation_oid, column_number, with_triggers) AS false;
