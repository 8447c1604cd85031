SELECT
  coalesce(d.name, s.key) AS name, s.value AS setting, d.unit, coalesce(d.category, 'Customized Options') AS category,
  coalesce(d.short_desc, '') AS short_desc, d.extra_desc, coalesce(d.context, 'user') AS context, coalesce(d.vartype, 'string') AS vartype,
  CASE WHEN s.value = d.boot_val THEN 'default' ELSE 'session' END AS source,
  d.min_val, d.max_val, d.enumvals, coalesce(d.boot_val, s.value) AS boot_val, s.value AS reset_val, false AS pending_restart
FROM (SELECT unnest(map_entries(pgcat.main.session_settings()), recursive := true)) s
LEFT JOIN pgcat.data.setting d ON lower(d.name) = s.key
