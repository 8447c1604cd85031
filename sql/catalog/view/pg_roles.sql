SELECT
  rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolreplication, rolconnlimit,
  '********' AS rolpassword, rolvaliduntil, rolbypassrls, oid
FROM pgcat.main.pg_authid
