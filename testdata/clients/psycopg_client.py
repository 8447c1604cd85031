"""What psycopg 3 does with the server; prints one JSON object.

usage: psycopg_client.py DSN TYPE FROM TO    (a profile type; instants in ISO 8601)
"""

import json
import sys
import threading
from datetime import datetime, timedelta, timezone

import psycopg
from psycopg.rows import dict_row

dsn, profile_type, start, end = sys.argv[1:]
start, end = datetime.fromisoformat(start), datetime.fromisoformat(end)
out = {"psycopg": psycopg.__version__}

TOTALS = """select service_name, count(*), sum(value)::bigint from samples
            where profile_type = %s and time >= %s and time < %s group by 1 order by 1"""


def refused(conn, statement, *args, **kwargs):
    """Runs what must fail, and returns how."""
    try:
        conn.execute(statement, *args, **kwargs)
    except psycopg.Error as e:
        return {"class": type(e).__name__, "state": e.sqlstate, "position": e.diag.statement_position}
    return None


with psycopg.connect(dsn, autocommit=True) as conn:
    out["server"] = conn.info.server_version
    out["parameters"] = {name: conn.info.parameter_status(name) for name in ("client_encoding", "TimeZone", "standard_conforming_strings")}

    # Text and binary, prepared on the server from the first time on.
    out["totals"] = []
    for binary in (False, True):
        cur = conn.cursor(binary=binary)
        for _ in range(3):
            cur.execute(TOTALS, (profile_type, start, end), prepare=True)
            out["totals"].append(cur.fetchall())
    cur = conn.cursor(row_factory=dict_row, binary=True)
    row = cur.execute("select * from samples order by time, value, stacktrace_id limit 1").fetchone()
    out["row"] = {name: type(value).__name__ for name, value in row.items()}
    out["described"] = [(c.name, c.type_code) for c in cur.description]

    # A client-side cursor, a named one on the server, and COPY.
    client = psycopg.ClientCursor(conn)
    out["client cursor"] = client.execute(TOTALS, (profile_type, start, end)).fetchall()
    with conn.transaction(), conn.cursor(name="big") as named:
        named.itersize = 50
        named.execute("select value from samples order by value, stacktrace_id")
        values = [value for (value,) in named]
    out["named cursor"] = {"rows": len(values), "sum": sum(values), "sorted": values == sorted(values)}
    with conn.cursor().copy("copy (select service_name, count(*) from profiles group by 1 order by 1) to stdout") as copy:
        out["copy"] = list(copy.rows())

    # Errors leave the session usable, transactions end as PostgreSQL's do.
    out["errors"] = {
        "syntax": refused(conn, "selct 1"),
        "column": refused(conn, "select nothing from samples"),
        "write": refused(conn, "delete from samples"),
        "file": refused(conn, "select * from read_parquet('/etc/passwd')"),
        "bound": refused(conn, "select %s::int", ("x",), prepare=True),
    }
    try:
        with conn.transaction():
            conn.execute("select nothing")
    except psycopg.errors.UndefinedColumn:
        out["after error"] = conn.execute("select 1").fetchone()[0]
    conn.execute("begin")
    refused(conn, "select nothing")
    out["in failed transaction"] = refused(conn, "select 1")
    conn.execute("rollback")

    # Lists, maps, times and NULL.
    cur = conn.execute("select functions, lines from stacktraces where functions[1] = 'escape'", binary=True)
    out["lists"] = cur.fetchone()
    out["labels"] = conn.execute("select labels from series where labels['pod'] = 'cart-0' limit 1").fetchone()[0]
    out["nulls"] = conn.execute("select count(span_id), count(*) > 0 from samples").fetchone()
    shifted = start.astimezone(timezone(timedelta(hours=-5)))
    out["same instant"] = conn.execute("select count(*) > 0 from samples where time = %s", (shifted,)).fetchone()[0]

    with conn.pipeline():
        cursors = [conn.execute("select %s::int + 1", (i,)) for i in range(10)]
    out["pipeline"] = [c.fetchone()[0] for c in cursors]

# Cancelled from another thread.
with psycopg.connect(dsn, autocommit=True) as conn:
    ended = threading.Event()

    def cancel():
        while not ended.wait(0.05):  # nobody can tell whether the statement has begun
            conn.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    out["cancelled"] = refused(conn, "select count(*) from range(100000000000) a, range(1000) b where a.range * b.range % 7 = 3")
    ended.set()
    canceller.join()
    out["after cancel"] = conn.execute("select 1").fetchone()[0]

# Twenty sessions at once.
results = []


def session(i):
    with psycopg.connect(dsn, autocommit=True, application_name=f"session {i}") as c:
        for _ in range(3):
            name = c.execute("select current_setting('application_name')").fetchone()[0]
            totals = c.execute(TOTALS, (profile_type, start, end), prepare=True).fetchall()
            results.append((name == f"session {i}", totals))


threads = [threading.Thread(target=session, args=(i,)) for i in range(20)]
for t in threads:
    t.start()
for t in threads:
    t.join()
out["sessions"] = {"answers": len(results), "own names": all(r[0] for r in results), "equal": all(r[1] == out["totals"][0] for r in results)}

json.dump(out, sys.stdout)
