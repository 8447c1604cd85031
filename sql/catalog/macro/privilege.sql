-- Privileges: every user reads everything of the tenant, and changes nothing.

CREATE MACRO pgcat.main.grants(privilege) AS regexp_full_match(
  upper(privilege::VARCHAR), '(.*,)?\s*(SELECT|USAGE|EXECUTE|CONNECT|MEMBER|SET)\s*(,.*)?');

CREATE MACRO pgcat.main.has_table_privilege(object_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_column_privilege(object_name, column_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, column_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_any_column_privilege(object_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_schema_privilege(object_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_database_privilege(object_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_function_privilege(object_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_language_privilege(object_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_type_privilege(object_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_sequence_privilege(object_name, privilege) AS pgcat.main.grants(privilege),
  (role_name, object_name, privilege) AS pgcat.main.grants(privilege);
CREATE MACRO pgcat.main.has_tablespace_privilege(object_name, privilege) AS false,
  (role_name, object_name, privilege) AS false;
CREATE MACRO pgcat.main.has_foreign_data_wrapper_privilege(object_name, privilege) AS false,
  (role_name, object_name, privilege) AS false;
CREATE MACRO pgcat.main.has_server_privilege(object_name, privilege) AS false,
  (role_name, object_name, privilege) AS false;

CREATE MACRO pgcat.main.pg_has_role(role_name, privilege) AS
    role_name::VARCHAR IN (pgcat.main.session_user(), pgcat.main.role_oid(pgcat.main.session_user())::VARCHAR),
  (member_name, role_name, privilege) AS
    role_name::VARCHAR = member_name::VARCHAR OR pgcat.main.to_regrole(role_name::VARCHAR) = pgcat.main.to_regrole(member_name::VARCHAR);

CREATE MACRO pgcat.main.acldefault(object_type, owner_oid) AS NULL::VARCHAR[];
CREATE MACRO pgcat.main.aclexplode(acl) AS TABLE
  SELECT 0::UINTEGER AS grantor, 0::UINTEGER AS grantee, ''::VARCHAR AS privilege_type, false AS is_grantable WHERE false AND acl IS NULL;
