-- The files of this folder, from a fresh PostgreSQL 15:
--
--   initdb -D /tmp/pg -A trust -E UTF8 --locale=C.UTF-8 -U stackhouse
--   postgres -D /tmp/pg -c listen_addresses=127.0.0.1 -p 54329 &
--   cd sql/catalog/data && psql -X -q -h 127.0.0.1 -p 54329 -U stackhouse -f dump.sql postgres
--
-- Rows are facts about PostgreSQL's built-in objects; see SOURCE.md.

SET search_path = pg_catalog;

-- Relations of the catalogue itself: the tables and views that clients may name.
CREATE TEMP VIEW system AS
SELECT c.oid, c.relnamespace, c.relname, c.relkind
FROM pg_class c
WHERE c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
  AND c.relkind IN ('r', 'v') AND c.oid < 16384;

\copy (SELECT * FROM pg_temp.system ORDER BY oid) TO 'relation.csv' (FORMAT csv, HEADER, NULL '\N')

\copy (SELECT attrelid, attnum, attname, atttypid, atttypmod, attndims, attnotnull, attcollation FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_temp.system) AND attnum > 0 AND NOT attisdropped ORDER BY attrelid, attnum) TO 'column.csv' (FORMAT csv, HEADER, NULL '\N')

-- Types, without the row types of relations but for one that a column has.
CREATE TEMP VIEW types AS
SELECT t.* FROM pg_type t LEFT JOIN pg_type e ON e.typarray = t.oid
WHERE t.oid < 16384 AND (t.typrelid = 0 AND coalesce(e.typrelid, 0) = 0 OR t.typname IN ('pg_statistic', '_pg_statistic'));

\copy (SELECT oid, typname, typnamespace, typowner, typlen, typbyval, typtype, typcategory, typispreferred, typisdefined, typdelim, typrelid, typsubscript::oid, typelem, typarray, typinput::oid, typoutput::oid, typreceive::oid, typsend::oid, typmodin::oid, typmodout::oid, typanalyze::oid, typalign, typstorage, typnotnull, typbasetype, typtypmod, typndims, typcollation, NULL AS typdefaultbin, typdefault, typacl FROM pg_temp.types ORDER BY oid) TO 'pg_type.csv' (FORMAT csv, HEADER, NULL '\N')

-- What a type is called in SQL: its format_type.
\copy (SELECT oid, format_type(oid, NULL) AS name FROM pg_temp.types ORDER BY oid) TO 'type_name.csv' (FORMAT csv, HEADER, NULL '\N')

-- Operators within, and casts between, the types that results have.
CREATE TEMP VIEW plain AS
SELECT oid FROM pg_type WHERE typname IN ('bool', 'int2', 'int4', 'int8', 'float4', 'float8', 'numeric', 'text', 'bytea',
  'date', 'time', 'timestamp', 'timestamptz', 'interval', 'uuid', 'oid', 'name', 'char', 'bpchar', 'varchar', 'anyarray');

CREATE TEMP VIEW operators AS
SELECT * FROM pg_operator
WHERE oprleft IN (0, oprright) AND oprright IN (SELECT oid FROM pg_temp.plain)
  AND oprresult IN (SELECT oid FROM pg_temp.plain) AND oprname !~ '^[~*][<>=~]|&|#|@|\^@|<->|<<|>>|\|/';

\copy (SELECT oid, oprname, oprnamespace, oprowner, oprkind, oprcanmerge, oprcanhash, oprleft, oprright, oprresult, CASE WHEN oprcom IN (SELECT oid FROM pg_temp.operators) THEN oprcom ELSE 0 END AS oprcom, CASE WHEN oprnegate IN (SELECT oid FROM pg_temp.operators) THEN oprnegate ELSE 0 END AS oprnegate, oprcode::oid, oprrest::oid, oprjoin::oid FROM pg_temp.operators ORDER BY oid) TO 'pg_operator.csv' (FORMAT csv, HEADER, NULL '\N')

CREATE TEMP VIEW casts AS
SELECT * FROM pg_cast WHERE castsource IN (SELECT oid FROM pg_temp.plain) AND casttarget IN (SELECT oid FROM pg_temp.plain);

\copy (SELECT * FROM pg_temp.casts ORDER BY oid) TO 'pg_cast.csv' (FORMAT csv, HEADER, NULL '\N')

\copy (SELECT oid, amname, amhandler::oid, amtype FROM pg_am ORDER BY oid) TO 'pg_am.csv' (FORMAT csv, HEADER, NULL '\N')
\copy (SELECT * FROM pg_language WHERE oid < 1000 ORDER BY oid) TO 'pg_language.csv' (FORMAT csv, HEADER, NULL '\N')
\copy (SELECT * FROM pg_collation WHERE collname IN ('default', 'C', 'POSIX', 'ucs_basic') ORDER BY oid) TO 'pg_collation.csv' (FORMAT csv, HEADER, NULL '\N')
\copy (SELECT rngtypid, rngsubtype, rngmultitypid, rngcollation, 0 AS rngsubopc, rngcanonical::oid, rngsubdiff::oid FROM pg_range ORDER BY 1) TO 'pg_range.csv' (FORMAT csv, HEADER, NULL '\N')
\copy (SELECT * FROM pg_tablespace ORDER BY oid) TO 'pg_tablespace.csv' (FORMAT csv, HEADER, NULL '\N')
\copy (SELECT * FROM pg_get_keywords() ORDER BY word) TO 'keyword.csv' (FORMAT csv, HEADER, NULL '\N')
-- Settings that a session has.
CREATE TEMP VIEW setting_names AS
SELECT unnest(ARRAY[
  'DateStyle', 'IntervalStyle', 'TimeZone', 'application_name', 'array_nulls', 'backslash_quote', 'block_size',
  'bytea_output', 'check_function_bodies', 'client_encoding', 'client_min_messages', 'constraint_exclusion',
  'cursor_tuple_fraction', 'data_checksums', 'default_statistics_target', 'default_table_access_method',
  'default_tablespace', 'default_text_search_config', 'default_toast_compression', 'default_transaction_deferrable',
  'default_transaction_isolation', 'default_transaction_read_only', 'effective_cache_size', 'effective_io_concurrency',
  'enable_bitmapscan', 'enable_hashagg', 'enable_hashjoin', 'enable_indexonlyscan', 'enable_indexscan',
  'enable_material', 'enable_mergejoin', 'enable_nestloop', 'enable_partitionwise_aggregate',
  'enable_partitionwise_join', 'enable_seqscan', 'enable_sort', 'escape_string_warning', 'extra_float_digits',
  'from_collapse_limit', 'geqo', 'idle_in_transaction_session_timeout', 'idle_session_timeout', 'in_hot_standby',
  'integer_datetimes', 'is_superuser', 'jit', 'join_collapse_limit', 'lc_collate', 'lc_ctype', 'lc_messages',
  'lc_monetary', 'lc_numeric', 'lc_time', 'lo_compat_privileges', 'lock_timeout', 'maintenance_work_mem',
  'max_identifier_length', 'max_index_keys', 'max_parallel_workers', 'max_parallel_workers_per_gather',
  'parallel_leader_participation', 'password_encryption', 'plan_cache_mode', 'quote_all_identifiers',
  'random_page_cost', 'role', 'row_security', 'search_path', 'seq_page_cost', 'server_encoding', 'server_version',
  'server_version_num', 'session_authorization', 'session_replication_role', 'ssl', 'standard_conforming_strings',
  'statement_timeout', 'synchronize_seqscans', 'synchronous_commit', 'tcp_keepalives_count', 'tcp_keepalives_idle',
  'tcp_keepalives_interval', 'temp_buffers', 'temp_tablespaces', 'timezone_abbreviations', 'track_activities',
  'transaction_deferrable', 'transaction_isolation', 'transaction_read_only', 'transform_null_equals', 'wal_level',
  'work_mem', 'xmlbinary', 'xmloption'
]) AS name;

\copy (SELECT name, unit, category, short_desc, extra_desc, context, vartype, min_val, max_val, enumvals, boot_val FROM pg_settings WHERE name IN (SELECT name FROM pg_temp.setting_names) ORDER BY name) TO 'setting.csv' (FORMAT csv, HEADER, NULL '\N')

-- Functions: those that the rows above name, and those that a user can call here
-- under PostgreSQL's name with PostgreSQL's meaning.
CREATE TEMP VIEW procs AS
WITH named (oid) AS (
  SELECT unnest(ARRAY[typinput, typoutput, typreceive, typsend, typmodin, typmodout, typanalyze, typsubscript]::oid[]) FROM pg_temp.types
  UNION SELECT unnest(ARRAY[oprcode, oprrest, oprjoin]::oid[]) FROM pg_temp.operators
  UNION SELECT castfunc FROM pg_temp.casts
  UNION SELECT amhandler FROM pg_am
  UNION SELECT unnest(ARRAY[lanplcallfoid, laninline, lanvalidator]) FROM pg_language WHERE oid < 1000
  UNION SELECT unnest(ARRAY[rngcanonical, rngsubdiff]::oid[]) FROM pg_range
)
SELECT * FROM pg_proc p
WHERE p.oid IN (SELECT oid FROM named)
   OR proname IN (
    'count', 'sum', 'avg', 'min', 'max', 'bool_and', 'bool_or', 'array_agg', 'string_agg', 'stddev', 'stddev_pop', 'stddev_samp',
    'variance', 'var_pop', 'var_samp', 'corr', 'covar_pop', 'covar_samp', 'percentile_cont', 'percentile_disc', 'mode',
    'row_number', 'rank', 'dense_rank', 'percent_rank', 'cume_dist', 'ntile', 'lag', 'lead', 'first_value', 'last_value', 'nth_value',
    'abs', 'ceil', 'ceiling', 'floor', 'round', 'trunc', 'mod', 'power', 'pow', 'sqrt', 'cbrt', 'exp', 'ln', 'log', 'sign', 'pi',
    'degrees', 'radians', 'sin', 'cos', 'tan', 'atan2', 'gcd', 'lcm', 'random',
    'lower', 'upper', 'length', 'char_length', 'character_length', 'substr', 'substring', 'left', 'right', 'lpad', 'rpad', 'ltrim',
    'rtrim', 'btrim', 'replace', 'reverse', 'split_part', 'strpos', 'starts_with', 'concat', 'concat_ws', 'repeat', 'translate',
    'md5', 'chr', 'ascii', 'regexp_replace', 'quote_ident', 'quote_literal', 'quote_nullable',
    'now', 'date_trunc', 'date_part', 'to_timestamp', 'age', 'make_date', 'make_timestamp',
    'array_length', 'array_to_string', 'string_to_array', 'unnest', 'generate_series', 'array_position', 'array_append',
    'array_cat', 'array_prepend', 'array_upper', 'array_lower', 'cardinality',
    'current_database', 'current_schema', 'current_schemas', 'current_user', 'session_user', 'version', 'current_setting', 'set_config',
    'format_type', 'pg_get_expr', 'pg_get_viewdef', 'pg_get_userbyid', 'pg_get_indexdef', 'pg_get_constraintdef',
    'pg_get_functiondef', 'pg_get_function_arguments', 'pg_get_function_identity_arguments', 'pg_get_function_result',
    'pg_table_is_visible', 'pg_type_is_visible', 'pg_function_is_visible', 'obj_description', 'col_description',
    'shobj_description', 'pg_encoding_to_char', 'pg_backend_pid', 'pg_is_in_recovery', 'pg_relation_size',
    'pg_table_size', 'pg_total_relation_size', 'pg_database_size', 'pg_size_pretty', 'pg_typeof', 'pg_get_keywords',
    'has_schema_privilege', 'has_table_privilege', 'has_column_privilege', 'has_database_privilege', 'has_function_privilege',
    'pg_has_role', 'to_regclass', 'to_regtype', 'to_regnamespace', 'to_regproc', 'to_regrole', 'acldefault', 'aclexplode', 'array_ndims', 'array_remove', 'format', 'generate_subscripts', 'getdatabaseencoding',
    'has_any_column_privilege', 'has_foreign_data_wrapper_privilege', 'has_language_privilege', 'has_sequence_privilege',
    'has_server_privilege', 'has_tablespace_privilege', 'has_type_privilege', 'inet_client_addr', 'inet_client_port',
    'inet_server_addr', 'inet_server_port', 'parse_ident', 'pg_advisory_lock', 'pg_advisory_unlock',
    'pg_advisory_unlock_all', 'pg_char_to_encoding', 'pg_client_encoding', 'pg_collation_is_visible',
    'pg_column_is_updatable', 'pg_conf_load_time', 'pg_conversion_is_visible', 'pg_get_function_arg_default',
    'pg_get_function_sqlbody', 'pg_get_partition_constraintdef', 'pg_get_partkeydef', 'pg_get_ruledef',
    'pg_get_serial_sequence', 'pg_get_statisticsobjdef', 'pg_get_statisticsobjdef_columns',
    'pg_get_statisticsobjdef_expressions', 'pg_get_triggerdef', 'pg_index_column_has_property', 'pg_index_has_property',
    'pg_indexam_has_property', 'pg_indexes_size', 'pg_is_wal_replay_paused', 'pg_listening_channels', 'pg_notify',
    'pg_opclass_is_visible', 'pg_operator_is_visible', 'pg_opfamily_is_visible', 'pg_options_to_table',
    'pg_partition_ancestors', 'pg_partition_root', 'pg_postmaster_start_time', 'pg_relation_filenode',
    'pg_relation_is_publishable', 'pg_relation_is_updatable', 'pg_statistics_obj_is_visible', 'pg_tablespace_location',
    'pg_tablespace_size', 'pg_try_advisory_lock', 'pg_ts_config_is_visible', 'pg_ts_dict_is_visible',
    'pg_ts_parser_is_visible', 'pg_ts_template_is_visible', 'to_regprocedure',
    'gen_random_uuid')
     AND NOT (proargtypes::oid[] && ARRAY(SELECT oid FROM pg_type WHERE typname ~ 'range|tsvector|tsquery|^jsonb|^bit$|^varbit|^money|^inet|^macaddr|^tid$|^polygon|^box$|^path$|^circle|^lseg|^point|_lsn$|^xid8|^xml'));


\copy (SELECT oid, proname, pronamespace, proowner, prolang, procost, prorows, provariadic, 0 AS prosupport, prokind, prosecdef, proleakproof, proisstrict, proretset, provolatile, proparallel, pronargs, pronargdefaults, prorettype, proargtypes, proallargtypes, proargmodes, proargnames, NULL AS proargdefaults, protrftypes, prosrc, probin, NULL AS prosqlbody, proconfig, proacl FROM pg_temp.procs ORDER BY oid) TO 'pg_proc.csv' (FORMAT csv, HEADER, NULL '\N')

-- How a function's arguments and result are written.
\copy (SELECT oid, pg_get_function_arguments(oid) AS arguments, pg_get_function_identity_arguments(oid) AS identity, pg_get_function_result(oid) AS result FROM pg_temp.procs ORDER BY oid) TO 'signature.csv' (FORMAT csv, HEADER, NULL '\N')

\copy (SELECT objoid, classoid, objsubid, description FROM pg_description WHERE objoid < 16384 AND (classoid = 'pg_type'::regclass AND objoid IN (SELECT oid FROM pg_temp.types) OR classoid = 'pg_proc'::regclass AND objoid IN (SELECT oid FROM pg_temp.procs) OR classoid = 'pg_operator'::regclass AND objoid IN (SELECT oid FROM pg_temp.operators) OR classoid = 'pg_language'::regclass AND objoid < 1000 OR classoid = 'pg_am'::regclass OR classoid = 'pg_namespace'::regclass AND objoid = 11 OR classoid = 'pg_collation'::regclass AND objoid IN (100, 950, 951)) ORDER BY classoid, objoid, objsubid) TO 'pg_description.csv' (FORMAT csv, HEADER, NULL '\N')
