-- A user sees the own session.
SELECT
  pgcat.main.name_oid('database', current_database()) AS datid, current_database() AS datname, pgcat.main.pg_backend_pid() AS pid,
  pgcat.main.role_oid(pgcat.main.session_user()) AS usesysid, pgcat.main.session_user() AS usename,
  coalesce(pgcat.main.session_settings()['application_name'], '') AS application_name,
  now() AS xact_start, now() AS query_start, now() AS state_change, 'active' AS state, '' AS query, 'client backend' AS backend_type
