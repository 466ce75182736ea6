"""How many processors this process may use: by affinity, and by the quota of its control groups.

Linux limits processor time for a control group and for each group above it, so that the least of
them counts. Version 2 says it in ``cpu.max`` (Documentation/admin-guide/cgroup-v2.rst), version 1
in ``cpu.cfs_quota_us`` and ``cpu.cfs_period_us`` (Documentation/scheduler/sched-bwc.rst). Where a
process stands is in /proc/self/cgroup, where the groups are mounted in /proc/self/mountinfo
(cgroups(7), proc(5)); both versions may be there at once.
"""

import math
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = ["processors_by_affinity", "processors_by_quota", "usable_processors"]

_PROCESS = Path("/proc/self")


def usable_processors() -> int:
    """Return how many processors this process may use, at least 1."""
    count = processors_by_affinity()
    return min(count, processors_by_quota() or count)


def processors_by_affinity() -> int:
    """Return on how many processors the system lets this process run."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def processors_by_quota(process: Path | None = None) -> int | None:
    """Return how many processors' time the control groups grant, rounded up.

    Args:
        process: The process's folder in /proc; this process's by default.

    Returns:
        At least 1; None where nothing is limited, or nothing is said.
    """
    shares = [
        share
        for kind, folder in _groups(process or _PROCESS)
        if (share := _share(_SHARES[kind], folder)) is not None
    ]
    return max(1, math.ceil(min(shares))) if shares else None


def _share_of_version_1(folder: Path) -> tuple[str, str]:
    quota = (folder / "cpu.cfs_quota_us").read_text(encoding="ascii")
    return quota, (folder / "cpu.cfs_period_us").read_text(encoding="ascii")


def _share_of_version_2(folder: Path) -> tuple[str, str]:
    quota, period = (folder / "cpu.max").read_text(encoding="ascii").split()
    return quota, period


# Type of the mounted file system -> what reads quota and period of a group, in microseconds.
_SHARES: dict[str, Callable[[Path], tuple[str, str]]] = {
    "cgroup": _share_of_version_1,
    "cgroup2": _share_of_version_2,
}


def _share(read: Callable[[Path], tuple[str, str]], folder: Path) -> float | None:
    """Return a group's own quota in processors; None where it has none ("max" or -1)."""
    try:
        quota, period = (int(text) for text in read(folder))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None


def _groups(process: Path) -> Iterator[tuple[str, Path]]:
    """Yield the folders of the process's groups and of all above them, with their kind."""
    try:
        paths = dict(_paths(_lines(process / "cgroup")))
        mounts = list(_mounts(_lines(process / "mountinfo")))
    except OSError:  # not Linux, or /proc is not mounted
        return
    for kind, root, point in mounts:
        if kind in paths:
            folder = point / _below(paths[kind], root)
            yield kind, folder
            yield from ((kind, above) for above in folder.parents if above.is_relative_to(point))


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="surrogateescape").splitlines()


def _paths(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the process's path in the hierarchies that can limit processors."""
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield "cgroup2", path
        elif "cpu" in controllers.split(","):
            yield "cgroup", path


def _mounts(lines: list[str]) -> Iterator[tuple[str, str, Path]]:
    """Yield where those hierarchies are mounted: kind, the group at the mount point, the point."""
    for line in lines:
        place, _, system = line.partition(" - ")
        fields, kinds = place.split(" "), system.split(" ")
        if len(fields) < 6 or len(kinds) < 3:
            continue
        controllers = kinds[2].split(",")
        if kinds[0] == "cgroup2" or (kinds[0] == "cgroup" and "cpu" in controllers):
            yield kinds[0], _plain(fields[3]), Path(_plain(fields[4]))


def _plain(text: str) -> str:
    r"""Undo proc(5)'s escapes, such as \040 for a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def _below(path: str, root: str) -> str:
    """Return a group's path below the mounted one; nothing where that one is not above it.

    In a container the path may be the host's: then its own group is what is mounted.
    """
    parts, above = Path(path).parts[1:], Path(root).parts[1:]
    inside = parts[: len(above)] == above and ".." not in parts
    return "/".join(parts[len(above) :]) if inside else ""
