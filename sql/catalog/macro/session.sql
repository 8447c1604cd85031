-- What a statement can see of its session; session.go sets the variables.

CREATE MACRO pgcat.main.session_settings() AS getvariable('pg_session_settings')::MAP(VARCHAR, VARCHAR);

CREATE MACRO pgcat.main.session_user() AS coalesce(getvariable('pg_session_user')::VARCHAR, 'stackhouse');
CREATE MACRO pgcat.main.current_user() AS coalesce(getvariable('pg_session_user')::VARCHAR, 'stackhouse');
CREATE MACRO pgcat.main.current_role() AS coalesce(getvariable('pg_session_user')::VARCHAR, 'stackhouse');
CREATE MACRO pgcat.main."user"() AS coalesce(getvariable('pg_session_user')::VARCHAR, 'stackhouse');

CREATE MACRO pgcat.main.pg_backend_pid() AS coalesce(getvariable('pg_session_pid')::INTEGER, 0);

CREATE MACRO pgcat.main.current_setting(setting_name) AS CASE
    WHEN setting_name IS NULL THEN NULL
    ELSE coalesce(
        pgcat.main.session_settings()[lower(setting_name)],
        error('unrecognized configuration parameter "' || setting_name || '"'))
  END,
(setting_name, missing_ok) AS CASE
    WHEN setting_name IS NULL OR missing_ok IS NULL THEN NULL
    WHEN missing_ok THEN pgcat.main.session_settings()[lower(setting_name)]
    ELSE coalesce(
        pgcat.main.session_settings()[lower(setting_name)],
        error('unrecognized configuration parameter "' || setting_name || '"'))
  END;

-- The session layer has set the value by the time the statement runs.
CREATE MACRO pgcat.main.set_config(setting_name, new_value, is_local) AS new_value::VARCHAR;

CREATE MACRO pgcat.main.version() AS
  'PostgreSQL ' || coalesce(pgcat.main.session_settings()['server_version'], '15.0') || ' (Stackhouse)';

CREATE MACRO pgcat.main.current_schemas(with_implicit) AS
  CASE WHEN with_implicit THEN ['pg_catalog', 'public'] ELSE ['public'] END;

CREATE MACRO pgcat.main.getdatabaseencoding() AS 'UTF8';
CREATE MACRO pgcat.main.pg_client_encoding() AS 'UTF8';
CREATE MACRO pgcat.main.pg_encoding_to_char(encoding_id) AS CASE encoding_id WHEN 6 THEN 'UTF8' WHEN 0 THEN 'SQL_ASCII' ELSE '' END;
CREATE MACRO pgcat.main.pg_char_to_encoding(encoding_name) AS
  CASE replace(lower(encoding_name), '-', '') WHEN 'utf8' THEN 6 WHEN 'unicode' THEN 6 WHEN 'sql_ascii' THEN 0 ELSE -1 END;

CREATE MACRO pgcat.main.pg_is_in_recovery() AS false;
CREATE MACRO pgcat.main.pg_is_wal_replay_paused() AS false;
CREATE MACRO pgcat.main.pg_postmaster_start_time() AS (SELECT started FROM pgcat.data.instance);
CREATE MACRO pgcat.main.pg_conf_load_time() AS (SELECT started FROM pgcat.data.instance);

CREATE MACRO pgcat.main.inet_server_addr() AS NULL::VARCHAR;
CREATE MACRO pgcat.main.inet_server_port() AS NULL::INTEGER;
CREATE MACRO pgcat.main.inet_client_addr() AS NULL::VARCHAR;
CREATE MACRO pgcat.main.inet_client_port() AS NULL::INTEGER;

-- Locks and notifications concern nobody in a warehouse that is only read.
CREATE MACRO pgcat.main.pg_advisory_lock(lock_key) AS NULL::VARCHAR, (lock_key1, lock_key2) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_advisory_unlock(lock_key) AS true, (lock_key1, lock_key2) AS true;
CREATE MACRO pgcat.main.pg_try_advisory_lock(lock_key) AS true, (lock_key1, lock_key2) AS true;
CREATE MACRO pgcat.main.pg_advisory_unlock_all() AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_notify(channel, payload) AS NULL::VARCHAR;
CREATE MACRO pgcat.main.pg_listening_channels() AS TABLE SELECT ''::VARCHAR AS pg_listening_channels WHERE false;
