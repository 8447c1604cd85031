-- Comments. The catalogue that an object is in is given by name.

CREATE MACRO pgcat.main.obj_description(object_oid) AS (
  SELECT min(_description) FROM (SELECT objoid AS _objoid, classoid AS _classoid, objsubid AS _objsubid, description AS _description FROM pgcat.main.pg_description)
  WHERE _objoid = object_oid::UINTEGER AND _objsubid = 0),
(object_oid, catalog_name) AS (
  SELECT _description FROM (SELECT objoid AS _objoid, description AS _description, c.relname AS _catalog
    FROM pgcat.main.pg_description d JOIN pgcat.main.pg_class c ON c.oid = d.classoid WHERE d.objsubid = 0)
  WHERE _objoid = object_oid::UINTEGER AND _catalog = catalog_name);

CREATE MACRO pgcat.main.col_description(table_oid, column_number) AS (
  SELECT _description FROM (SELECT objoid AS _objoid, classoid AS _classoid, objsubid AS _objsubid, description AS _description FROM pgcat.main.pg_description)
  WHERE _objoid = table_oid::UINTEGER AND _classoid = 1259 AND _objsubid = column_number::INTEGER AND _objsubid <> 0);

-- No object that databases share has a comment.
CREATE MACRO pgcat.main.shobj_description(object_oid, catalog_name) AS NULL::VARCHAR;
