"""Types into psql as people do, at a terminal, and prints what psql made of it.

usage: psql_keys.py PSQL ARGUMENT... < CASES    (a JSON list of [keys, regular expression])

Each case begins on an empty line. The keys are sent, and what the terminal shows is
read until the expression matches; then the line is deleted. Prints one JSON list of
what was shown, null where the expression did not match in time.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time

PATIENCE = 60  # seconds
cases = json.load(sys.stdin)
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 250, 0, 0))


def read_until(pattern):
    """Returns what is shown up to a match, or None."""
    shown, deadline = "", time.monotonic() + PATIENCE
    while not re.search(pattern, shown):
        ready, _, _ = select.select([terminal], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            print(f"no {pattern!r} in {shown!r}", file=sys.stderr)
            return None
        try:
            shown += os.read(terminal, 4096).decode(errors="replace")
        except OSError:  # psql has ended
            print(f"the end instead of {pattern!r} in {shown!r}", file=sys.stderr)
            return None
    return shown


out = []
read_until("=[>#] ")
for n, (keys, pattern) in enumerate(cases):
    os.write(terminal, keys.encode())
    out.append(read_until(pattern))
    os.write(terminal, b"\x15\\echo next %d\r" % n)  # Ctrl-U deletes the line
    read_until(r"\nnext %d\r\n(.*)=[>#] " % n)
os.write(terminal, b"\\q\r")
os.waitpid(pid, 0)
json.dump(out, sys.stdout)
