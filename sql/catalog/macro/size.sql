-- Sizes. Profiles lie in an object store, whose bytes no relation owns: 0.

CREATE MACRO pgcat.main.pg_relation_size(object_name) AS 0::BIGINT, (object_name, fork) AS 0::BIGINT;
CREATE MACRO pgcat.main.pg_table_size(object_name) AS 0::BIGINT;
CREATE MACRO pgcat.main.pg_indexes_size(object_name) AS 0::BIGINT;
CREATE MACRO pgcat.main.pg_total_relation_size(object_name) AS 0::BIGINT;
CREATE MACRO pgcat.main.pg_database_size(object_name) AS 0::BIGINT;
CREATE MACRO pgcat.main.pg_tablespace_size(object_name) AS 0::BIGINT;
CREATE MACRO pgcat.main.pg_tablespace_location(object_oid) AS CASE WHEN object_oid IS NOT NULL THEN '' END;
CREATE MACRO pgcat.main.pg_relation_filenode(object_name) AS NULL::UINTEGER;

CREATE MACRO pgcat.main.pg_size_pretty(size_bytes) AS CASE
    WHEN abs(size_bytes) < 10240 THEN size_bytes || ' bytes'
    WHEN abs(size_bytes) < 10240 * 1024 - 512 THEN round(size_bytes / 1024)::BIGINT || ' kB'
    WHEN abs(size_bytes) < 10240 * (1024::BIGINT ** 2) - 512 * 1024 THEN round(size_bytes / 1024 ** 2)::BIGINT || ' MB'
    WHEN abs(size_bytes) < 10240 * (1024::BIGINT ** 3) - 512 * (1024::BIGINT ** 2) THEN round(size_bytes / 1024 ** 3)::BIGINT || ' GB'
    WHEN abs(size_bytes) < 10240 * (1024::BIGINT ** 4) - 512 * (1024::BIGINT ** 3) THEN round(size_bytes / 1024 ** 4)::BIGINT || ' TB'
    ELSE round(size_bytes / 1024::DOUBLE ** 5)::BIGINT || ' PB'
  END;
