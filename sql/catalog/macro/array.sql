-- Functions of arrays that DuckDB lacks, or that answer NULL where PostgreSQL does not.

CREATE MACRO pgcat.main.array_upper(items, dimension) AS
  CASE WHEN dimension = 1 AND len(items) > 0 THEN len(items)::INTEGER END;
CREATE MACRO pgcat.main.array_lower(items, dimension) AS
  CASE WHEN dimension = 1 AND len(items) > 0 THEN 1 END;
CREATE MACRO pgcat.main.array_ndims(items) AS CASE WHEN len(items) > 0 THEN 1 END;
CREATE MACRO pgcat.main.cardinality(items) AS len(items)::INTEGER;
CREATE MACRO pgcat.main.array_remove(items, item) AS list_filter(items, lambda _element: _element IS DISTINCT FROM item);
CREATE MACRO pgcat.main.array_to_string(items, separator) AS
    CASE WHEN items IS NOT NULL THEN coalesce(list_aggregate(items::VARCHAR[], 'string_agg', separator), '') END,
  (items, separator, null_text) AS
    CASE WHEN items IS NOT NULL
      THEN coalesce(list_aggregate(list_transform(items::VARCHAR[], lambda _element: coalesce(_element, null_text)), 'string_agg', separator), '') END;

-- information_schema._pg_expandarray
CREATE MACRO pgcat.main._pg_expandarray(items) AS
  unnest(list_transform(range(1, len(items) + 1), lambda _n: {'x': items[_n], 'n': _n::INTEGER}));
CREATE MACRO pgcat.main._pg_expandarray(items) AS TABLE
  SELECT items[_n] AS x, _n::INTEGER AS n FROM (SELECT unnest(range(1, len(items) + 1)) AS _n);

CREATE MACRO pgcat.main.generate_subscripts(items, dimension) AS TABLE
  SELECT unnest(range(1, len(items) + 1))::INTEGER AS generate_subscripts WHERE dimension = 1;
CREATE MACRO pgcat.main.generate_subscripts(items, dimension) AS unnest(range(1, len(items) + 1))::INTEGER;
