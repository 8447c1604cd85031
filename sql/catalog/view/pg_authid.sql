-- The owner of everything, who never logs in, and the user of the session.
SELECT
  pgcat.main.role_oid(rolname) AS oid, rolname, rolname = 'stackhouse' AS rolsuper, true AS rolinherit,
  rolname = 'stackhouse' AS rolcreaterole, rolname = 'stackhouse' AS rolcreatedb, rolname = pgcat.main.session_user() AS rolcanlogin,
  false AS rolreplication, rolname = 'stackhouse' AS rolbypassrls, -1 AS rolconnlimit
FROM (SELECT 'stackhouse' AS rolname UNION SELECT pgcat.main.session_user()) roles
