-- Identifiers of objects that are not known before a session starts: its database
-- and its user. As in oid.go, they follow from the name and are at least 16384.

CREATE MACRO pgcat.main.name_oid(class_name, object_name) AS
  (16384 + ('0x' || substr(md5(class_name || ' ' || object_name), 1, 7))::BIGINT)::UINTEGER;

CREATE MACRO pgcat.main.role_oid(role_name) AS
  CASE role_name WHEN 'stackhouse' THEN 10::UINTEGER ELSE pgcat.main.name_oid('role', role_name) END;
