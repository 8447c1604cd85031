-- Types and their names.

CREATE MACRO pgcat.main.type_modifier(base_name, type_mod) AS CASE
    WHEN base_name IN ('character varying', 'character') THEN base_name || '(' || (type_mod - 4) || ')'
    WHEN base_name = 'numeric' THEN 'numeric(' || ((type_mod - 4) >> 16) || ',' || ((type_mod - 4) & 2047) || ')'
    WHEN base_name IN ('bit', 'bit varying') THEN base_name || '(' || type_mod || ')'
    WHEN base_name LIKE 'time%' THEN regexp_replace(base_name, '^(time(?:stamp)?)', '\1(' || type_mod || ')')
    WHEN base_name = 'interval' AND type_mod & 65535 <> 65535 THEN 'interval(' || (type_mod & 65535) || ')'
    ELSE base_name
  END;

CREATE MACRO pgcat.main.format_type(type_oid, type_mod) AS CASE
    WHEN type_oid IS NULL THEN NULL
    ELSE coalesce((
        SELECT CASE
            WHEN type_mod IS NULL OR type_mod::INTEGER < 0 THEN CASE WHEN _type_oid = 1042 AND type_mod IS NOT NULL THEN 'bpchar' ELSE _type_name END
            WHEN _type_name LIKE '%[]' THEN pgcat.main.type_modifier(_type_name[:-3], type_mod::INTEGER) || '[]'
            ELSE pgcat.main.type_modifier(_type_name, type_mod::INTEGER)
          END
        FROM (SELECT oid AS _type_oid, name AS _type_name FROM pgcat.data.type_name) WHERE _type_oid = type_oid::UINTEGER), '???')
  END;

-- PostgreSQL's names of DuckDB's types.
CREATE MACRO pgcat.main.type_of(type_name) AS CASE
    WHEN type_name LIKE 'DECIMAL(%' OR type_name IN ('HUGEINT', 'UHUGEINT', 'UBIGINT') THEN 'numeric'
    WHEN type_name LIKE 'STRUCT(%' OR type_name LIKE 'MAP(%' OR type_name LIKE 'UNION(%' THEN 'json'
    ELSE CASE type_name
      WHEN 'BIGINT' THEN 'bigint' WHEN 'UINTEGER' THEN 'oid' WHEN 'INTEGER' THEN 'integer' WHEN 'USMALLINT' THEN 'integer'
      WHEN 'SMALLINT' THEN 'smallint' WHEN 'TINYINT' THEN 'smallint' WHEN 'UTINYINT' THEN 'smallint'
      WHEN 'DOUBLE' THEN 'double precision' WHEN 'FLOAT' THEN 'real' WHEN 'VARCHAR' THEN 'text' WHEN 'BLOB' THEN 'bytea'
      WHEN 'TIMESTAMP' THEN 'timestamp without time zone' WHEN 'TIMESTAMP WITH TIME ZONE' THEN 'timestamp with time zone'
      WHEN 'TIME' THEN 'time without time zone' WHEN '"NULL"' THEN 'unknown' ELSE lower(type_name)
    END
  END;

CREATE MACRO pgcat.main.pg_typeof(any_value) AS CASE
    WHEN typeof(any_value) LIKE '%[]' THEN pgcat.main.type_of(typeof(any_value)[:-3]) || '[]'
    ELSE pgcat.main.type_of(typeof(any_value))
  END;
