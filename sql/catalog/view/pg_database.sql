SELECT
  pgcat.main.name_oid('database', current_database()) AS oid, current_database() AS datname, 10::UINTEGER AS datdba,
  6 AS encoding, 'c' AS datlocprovider, false AS datistemplate, true AS datallowconn, -1 AS datconnlimit,
  0::UINTEGER AS datfrozenxid, 0::UINTEGER AS datminmxid, 1663::UINTEGER AS dattablespace, 'C.UTF-8' AS datcollate, 'C.UTF-8' AS datctype
