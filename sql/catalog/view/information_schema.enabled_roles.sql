SELECT pgcat.main.session_user() AS role_name
