"""Runs a command and writes how long it took and how much memory it had at most, as JSON.

    python -I -S launch.py COMMAND [ARGUMENT]...

It is a small process of its own, because Linux counts the memory of the process that started a
command as the command's until it is replaced (getrusage(2), ru_maxrss).
"""

import json
import os
import resource
import sys
import time

# ru_maxrss is in KiB on Linux and in bytes on macOS.
_UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Run the command; its standard output is passed on as a string."""
    reading, writing = os.pipe()
    start = time.perf_counter()
    child = os.posix_spawnp(
        sys.argv[1],
        sys.argv[1:],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_CLOSE, reading)],
    )
    os.close(writing)
    with os.fdopen(reading) as stream:
        output = stream.read()
    _, status = os.waitpid(child, 0)
    seconds = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT
    facts = {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "peak_mib": memory / 2**20,
        "output": output,
    }
    sys.stdout.write(json.dumps(facts))


if __name__ == "__main__":
    main()
