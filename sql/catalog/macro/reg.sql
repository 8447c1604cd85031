-- What PostgreSQL's types regclass, regtype, … do: names to identifiers, and back.
-- The rewriter writes X_in for a cast to the type, X_out for its text.
--
--   find_X(name)  the identifier; NULL when there is none
--   X_in(value)   the same for a name, a number, or a number as text; an error when there is none
--   X_out(oid)    the name, with its schema when that must be written
--
-- A macro is text: an argument such as oid, within a query over a relation that has a
-- column oid, would mean that one. So queries here, and in all the macros, see
-- columns under names that no caller has.

CREATE MACRO pgcat.main.schema_id(schema_name) AS CASE schema_name
    WHEN 'public' THEN 2200::UINTEGER WHEN 'pg_catalog' THEN 11::UINTEGER WHEN 'information_schema' THEN 13207::UINTEGER
    WHEN 'system' THEN 1664675691::UINTEGER END;

CREATE MACRO pgcat.main.schema_prefix(schema_oid) AS CASE schema_oid WHEN 13207 THEN 'information_schema.' WHEN 1664675691 THEN 'system.' ELSE '' END;

CREATE MACRO pgcat.main.find_class(object_name) AS (
  SELECT min(_oid) FROM (SELECT oid AS _oid, relname AS _relname, relnamespace AS _relnamespace FROM pgcat.main.pg_class)
  WHERE _relname = pgcat.main.parse_ident(object_name)[-1]
    AND _relnamespace IN (11, 2200, 13207, 1664675691)
    AND coalesce(_relnamespace = pgcat.main.schema_id(pgcat.main.parse_ident(object_name)[-2]), _relnamespace IN (11, 2200)));

CREATE MACRO pgcat.main.regclass_in(object_name) AS CASE
    WHEN object_name IS NULL THEN NULL
    ELSE coalesce(
      TRY_CAST(object_name AS UINTEGER),
      CASE WHEN object_name::VARCHAR = '-' THEN 0::UINTEGER END,
      pgcat.main.find_class(object_name),
      error('relation "' || object_name || '" does not exist')::UINTEGER)
  END;

CREATE MACRO pgcat.main.regclass_out(object_oid) AS CASE
    WHEN object_oid::VARCHAR = '0' THEN '-'
    ELSE coalesce((
      SELECT pgcat.main.schema_prefix(_relnamespace) || pgcat.main.quote_ident(_relname)
      FROM (SELECT oid AS _oid, relname AS _relname, relnamespace AS _relnamespace FROM pgcat.main.pg_class)
      WHERE _oid = TRY_CAST(object_oid AS UINTEGER)), object_oid::VARCHAR)
  END;

CREATE MACRO pgcat.main.to_regclass(object_name) AS coalesce(TRY_CAST(object_name AS UINTEGER), pgcat.main.find_class(object_name));

-- A type is named as in SQL ("double precision"), as in pg_type (float8), or by one of
-- the parser's own words; a modifier does not count.
CREATE MACRO pgcat.main.plain_type(object_name) AS regexp_replace(
  regexp_replace(trim(object_name::VARCHAR), '^"?pg_catalog"?\s*\.\s*|^"?public"?\s*\.\s*', ''), '\s*\([^)]*\)', '');

CREATE MACRO pgcat.main.find_type(object_name) AS coalesce(
  (SELECT min(_oid) FROM (SELECT oid AS _oid, typname AS _typname, typnamespace AS _typnamespace FROM pgcat.main.pg_type)
   WHERE _typname = CASE WHEN pgcat.main.plain_type(object_name) LIKE '%[]'
       THEN '_' || pgcat.main.parse_ident(pgcat.main.plain_type(object_name)[:-3])[-1]
       ELSE pgcat.main.parse_ident(pgcat.main.plain_type(object_name))[-1] END
     AND NOT contains(trim(pgcat.main.plain_type(object_name), '[]'), ' ')
     AND CASE WHEN starts_with(lower(object_name::VARCHAR), 'information_schema.') THEN _typnamespace = 13207
       WHEN starts_with(lower(object_name::VARCHAR), 'system.') THEN _typnamespace = 1664675691 ELSE _typnamespace IN (11, 2200) END),
  (SELECT min(_oid) FROM (SELECT oid AS _oid, name AS _name FROM pgcat.data.type_name)
   WHERE _name = CASE regexp_replace(lower(pgcat.main.plain_type(object_name)), '\[\]$', '')
       WHEN 'int' THEN 'integer' WHEN 'float' THEN 'double precision' WHEN 'decimal' THEN 'numeric' WHEN 'dec' THEN 'numeric'
       WHEN 'timestamp' THEN 'timestamp without time zone' WHEN 'time' THEN 'time without time zone' WHEN 'char' THEN 'character'
       ELSE regexp_replace(lower(pgcat.main.plain_type(object_name)), '\[\]$', '')
     END || CASE WHEN pgcat.main.plain_type(object_name) LIKE '%[]' THEN '[]' ELSE '' END));

CREATE MACRO pgcat.main.regtype_in(object_name) AS CASE
    WHEN object_name IS NULL THEN NULL
    ELSE coalesce(
      TRY_CAST(object_name AS UINTEGER),
      CASE WHEN object_name::VARCHAR = '-' THEN 0::UINTEGER END,
      pgcat.main.find_type(object_name),
      error('type "' || object_name || '" does not exist')::UINTEGER)
  END;

CREATE MACRO pgcat.main.regtype_out(object_oid) AS CASE
    WHEN object_oid::VARCHAR = '0' THEN '-'
    ELSE coalesce(
      (SELECT _name FROM (SELECT oid AS _oid, name AS _name FROM pgcat.data.type_name) WHERE _oid = TRY_CAST(object_oid AS UINTEGER)), object_oid::VARCHAR)
  END;

CREATE MACRO pgcat.main.to_regtype(object_name) AS coalesce(TRY_CAST(object_name AS UINTEGER), pgcat.main.find_type(object_name));

CREATE MACRO pgcat.main.find_proc(object_name) AS (
  SELECT min(_oid) FROM (SELECT oid AS _oid, proname AS _proname FROM pgcat.main.pg_proc)
  WHERE _proname = pgcat.main.parse_ident(regexp_replace(object_name::VARCHAR, '\(.*$', ''))[-1]);

CREATE MACRO pgcat.main.regproc_in(object_name) AS CASE
    WHEN object_name IS NULL THEN NULL
    ELSE coalesce(
      TRY_CAST(object_name AS UINTEGER),
      CASE WHEN object_name::VARCHAR = '-' THEN 0::UINTEGER END,
      pgcat.main.find_proc(object_name),
      error('function "' || object_name || '" does not exist')::UINTEGER)
  END;

CREATE MACRO pgcat.main.regproc_out(object_oid) AS CASE
    WHEN object_oid::VARCHAR = '0' THEN '-'
    ELSE coalesce((
      SELECT _proname FROM (SELECT oid AS _oid, proname AS _proname FROM pgcat.main.pg_proc) WHERE _oid = TRY_CAST(object_oid AS UINTEGER)), object_oid::VARCHAR)
  END;

CREATE MACRO pgcat.main.regprocedure_in(object_name) AS pgcat.main.regproc_in(object_name);

CREATE MACRO pgcat.main.regprocedure_out(object_oid) AS CASE
    WHEN object_oid::VARCHAR = '0' THEN '-'
    ELSE coalesce((
      SELECT _signature
      FROM (SELECT g.oid AS _oid, p.proname || '(' || g.identity || ')' AS _signature
        FROM pgcat.data.signature g JOIN pgcat.main.pg_proc p ON p.oid = g.oid)
      WHERE _oid = TRY_CAST(object_oid AS UINTEGER)), object_oid::VARCHAR)
  END;

CREATE MACRO pgcat.main.to_regproc(object_name) AS coalesce(TRY_CAST(object_name AS UINTEGER), pgcat.main.find_proc(object_name));
CREATE MACRO pgcat.main.to_regprocedure(object_name) AS coalesce(TRY_CAST(object_name AS UINTEGER), pgcat.main.find_proc(object_name));

CREATE MACRO pgcat.main.to_regnamespace(object_name) AS coalesce(
  TRY_CAST(object_name AS UINTEGER), pgcat.main.schema_id(pgcat.main.parse_ident(object_name)[-1]));

CREATE MACRO pgcat.main.regnamespace_in(object_name) AS CASE
    WHEN object_name IS NULL THEN NULL
    ELSE coalesce(pgcat.main.to_regnamespace(object_name), error('schema "' || object_name || '" does not exist')::UINTEGER)
  END;

CREATE MACRO pgcat.main.regnamespace_out(object_oid) AS CASE object_oid::VARCHAR
    WHEN '0' THEN '-' WHEN '11' THEN 'pg_catalog' WHEN '2200' THEN 'public' WHEN '13207' THEN 'information_schema'
    WHEN '1664675691' THEN 'system' ELSE object_oid::VARCHAR END;

CREATE MACRO pgcat.main.to_regrole(object_name) AS CASE
    WHEN TRY_CAST(object_name AS UINTEGER) IS NOT NULL THEN TRY_CAST(object_name AS UINTEGER)
    WHEN pgcat.main.parse_ident(object_name)[1] IN ('stackhouse', pgcat.main.session_user()) THEN pgcat.main.role_oid(pgcat.main.parse_ident(object_name)[1])
  END;

CREATE MACRO pgcat.main.regrole_in(object_name) AS CASE
    WHEN object_name IS NULL THEN NULL
    ELSE coalesce(pgcat.main.to_regrole(object_name), error('role "' || object_name || '" does not exist')::UINTEGER)
  END;

CREATE MACRO pgcat.main.regrole_out(object_oid) AS CASE
    WHEN object_oid::VARCHAR = '0' THEN '-'
    WHEN object_oid::VARCHAR = '10' THEN 'stackhouse'
    WHEN object_oid::VARCHAR = pgcat.main.role_oid(pgcat.main.session_user())::VARCHAR THEN pgcat.main.quote_ident(pgcat.main.session_user())
    ELSE object_oid::VARCHAR
  END;

CREATE MACRO pgcat.main.regoper_in(object_name) AS CASE
    WHEN object_name IS NULL THEN NULL
    ELSE coalesce(
      TRY_CAST(object_name AS UINTEGER),
      (SELECT min(_oid) FROM (SELECT oid AS _oid, oprname AS _oprname FROM pgcat.main.pg_operator) WHERE _oprname = regexp_extract(object_name::VARCHAR, '[^.(]+')),
      error('operator does not exist: ' || object_name)::UINTEGER)
  END;

CREATE MACRO pgcat.main.regoper_out(object_oid) AS CASE
    WHEN object_oid::VARCHAR = '0' THEN '0'
    ELSE coalesce((
      SELECT _oprname FROM (SELECT oid AS _oid, oprname AS _oprname FROM pgcat.main.pg_operator) WHERE _oid = TRY_CAST(object_oid AS UINTEGER)), object_oid::VARCHAR)
  END;

CREATE MACRO pgcat.main.regoperator_in(object_name) AS pgcat.main.regoper_in(object_name);

CREATE MACRO pgcat.main.regoperator_out(object_oid) AS CASE
    WHEN object_oid::VARCHAR = '0' THEN '0'
    ELSE coalesce((
      SELECT _signature
      FROM (SELECT o.oid AS _oid, o.oprname || '(' || coalesce(l.name, 'NONE') || ',' || r.name || ')' AS _signature
        FROM pgcat.main.pg_operator o LEFT JOIN pgcat.data.type_name l ON l.oid = o.oprleft JOIN pgcat.data.type_name r ON r.oid = o.oprright)
      WHERE _oid = TRY_CAST(object_oid AS UINTEGER)), object_oid::VARCHAR)
  END;

CREATE MACRO pgcat.main.regcollation_in(object_name) AS CASE
    WHEN object_name IS NULL THEN NULL
    ELSE coalesce(
      TRY_CAST(object_name AS UINTEGER),
      (SELECT min(_oid) FROM (SELECT oid AS _oid, collname AS _collname FROM pgcat.main.pg_collation) WHERE _collname = pgcat.main.parse_ident(object_name)[-1]),
      error('collation "' || object_name || '" does not exist')::UINTEGER)
  END;

CREATE MACRO pgcat.main.regcollation_out(object_oid) AS CASE
    WHEN object_oid::VARCHAR = '0' THEN '-'
    ELSE coalesce(
      (SELECT pgcat.main.quote_ident(_collname)
       FROM (SELECT oid AS _oid, collname AS _collname FROM pgcat.main.pg_collation) WHERE _oid = TRY_CAST(object_oid AS UINTEGER)), object_oid::VARCHAR)
  END;

-- There is no text search: only the numbers pass.
CREATE MACRO pgcat.main.regconfig_in(object_name) AS object_name::UINTEGER;
CREATE MACRO pgcat.main.regconfig_out(object_oid) AS object_oid::VARCHAR;
CREATE MACRO pgcat.main.regdictionary_in(object_name) AS object_name::UINTEGER;
CREATE MACRO pgcat.main.regdictionary_out(object_oid) AS object_oid::VARCHAR;
