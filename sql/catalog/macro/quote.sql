-- Names and strings as SQL.

CREATE MACRO pgcat.main.quote_ident(ident) AS CASE
    WHEN ident IS NULL THEN NULL
    WHEN regexp_full_match(ident::VARCHAR, '[a-z_][a-z0-9_]*')
      AND ident::VARCHAR NOT IN (SELECT word FROM pgcat.data.keyword WHERE catcode <> 'U') THEN ident::VARCHAR
    ELSE '"' || replace(ident::VARCHAR, '"', '""') || '"'
  END;

CREATE MACRO pgcat.main.quote_literal(literal) AS CASE
    WHEN contains(literal::VARCHAR, '\') THEN 'E''' || replace(replace(literal::VARCHAR, '\', '\\'), '''', '''''') || ''''
    ELSE '''' || replace(literal::VARCHAR, '''', '''''') || ''''
  END;

CREATE MACRO pgcat.main.quote_nullable(literal) AS coalesce(pgcat.main.quote_literal(literal), 'NULL');

-- The parts of a qualified name: those without quotes in lower case.
CREATE MACRO pgcat.main.parse_ident(qualified_name) AS list_transform(
  regexp_extract_all(qualified_name::VARCHAR, '"(?:[^"]|"")*"|[^."\s]+'),
  lambda _part: CASE WHEN starts_with(_part, '"') THEN replace(substr(_part, 2, length(_part) - 2), '""', '"') ELSE lower(_part) END),
(qualified_name, strict_mode) AS list_transform(
  regexp_extract_all(qualified_name::VARCHAR, '"(?:[^"]|"")*"|[^."\s]+'),
  lambda _part: CASE WHEN starts_with(_part, '"') THEN replace(substr(_part, 2, length(_part) - 2), '""', '"') ELSE lower(_part) END);

-- format('%I.%I', a, b): as many as clients of the catalogue use.
CREATE MACRO pgcat.main.format_value(directive, value) AS CASE directive
    WHEN '%I' THEN pgcat.main.quote_ident(value) WHEN '%L' THEN pgcat.main.quote_nullable(value) ELSE coalesce(value::VARCHAR, '') END;
CREATE MACRO pgcat.main.format(template) AS replace(template, '%%', '%'),
  (template, value1) AS
    string_split_regex(template, '%[sIL]')[1] || pgcat.main.format_value(regexp_extract_all(template, '%[sIL]')[1], value1)
    || string_split_regex(template, '%[sIL]')[2],
  (template, value1, value2) AS
    string_split_regex(template, '%[sIL]')[1] || pgcat.main.format_value(regexp_extract_all(template, '%[sIL]')[1], value1)
    || string_split_regex(template, '%[sIL]')[2] || pgcat.main.format_value(regexp_extract_all(template, '%[sIL]')[2], value2)
    || string_split_regex(template, '%[sIL]')[3],
  (template, value1, value2, value3) AS
    string_split_regex(template, '%[sIL]')[1] || pgcat.main.format_value(regexp_extract_all(template, '%[sIL]')[1], value1)
    || string_split_regex(template, '%[sIL]')[2] || pgcat.main.format_value(regexp_extract_all(template, '%[sIL]')[2], value2)
    || string_split_regex(template, '%[sIL]')[3] || pgcat.main.format_value(regexp_extract_all(template, '%[sIL]')[3], value3)
    || string_split_regex(template, '%[sIL]')[4];
