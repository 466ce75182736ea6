"""How many processors may be used, by trees of files as Linux has them."""

import os

import pytest

from mobilebert.engine import native, processors
from mobilebert.engine.processors import processors_by_quota, usable_processors


class Groups:
    """A process's folder, and control groups that it can be put into."""

    def __init__(self, folder):
        self.process, self.mounts = folder / "process", folder / "mounts"
        self.process.mkdir()
        self.mounts.mkdir()
        self.lines = {"cgroup": [], "mountinfo": []}
        self.mount("tmpfs", "tmp", options="rw,mode=755")

    def _write(self, name, line):
        self.lines[name].append(line)
        (self.process / name).write_text("".join(f"{line}\n" for line in self.lines[name]))

    def mount(self, kind, name, root="/", options="rw"):
        point = str(self.mounts / name).replace(" ", "\\040")
        self._write("mountinfo", f"41 31 0:38 {root} {point} rw shared:9 - {kind} {kind} {options}")

    def join(self, path, number=0, controllers=""):
        self._write("cgroup", f"{number}:{controllers}:{path}")

    def limit(self, path, **files):
        folder = self.mounts / path
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("_", ".", 1)).write_text(f"{text}\n")

    def count(self):
        return processors_by_quota(self.process)


@pytest.fixture
def groups(tmp_path):
    return Groups(tmp_path)


@pytest.fixture
def version_2(groups):
    groups.mount("cgroup2", "unified")
    groups.join("/slice/service")
    return groups


@pytest.fixture
def version_1(groups):
    groups.mount("cgroup", "memory", options="rw,memory")
    groups.mount("cgroup", "cpu", options="rw,cpu,cpuacct")
    groups.join("/elsewhere", 4, "memory")
    groups.join("/slice/service", 1, "cpu,cpuacct")
    return groups


QUOTAS = [
    ("150000 100000", 2),
    ("200000 100000", 2),
    ("200001 100000", 3),
    ("1000 100000", 1),
    ("max 100000", None),
    ("0 100000", None),
    ("100000 0", None),
    ("?", None),
    ("", None),
    ("1 2 3", None),
]


@pytest.mark.parametrize(("text", "wanted"), QUOTAS)
def test_version_2_says_quota_and_period_in_one_file(text, wanted, version_2):
    version_2.limit("unified/slice/service", cpu_max=text)
    assert version_2.count() == wanted


@pytest.mark.parametrize(
    ("quota", "period", "wanted"),
    [(-1, 100000, None), (150000, 100000, 2), (50000, 25000, 2), ("?", 100000, None)],
)
def test_version_1_says_them_in_two(quota, period, wanted, version_1):
    version_1.limit("cpu/slice/service", cpu_cfs_quota_us=quota, cpu_cfs_period_us=period)
    assert version_1.count() == wanted


def test_a_quota_without_a_period_says_nothing(version_1):
    version_1.limit("cpu/slice/service", cpu_cfs_quota_us=100000)
    assert version_1.count() is None


@pytest.mark.parametrize("above", ["unified", "unified/slice"])
def test_the_least_of_nested_groups_counts(above, version_2):
    version_2.limit("unified/slice/service", cpu_max="800000 100000")
    version_2.limit(above, cpu_max="300000 100000")
    assert version_2.count() == 3
    version_2.limit("unified/slice/service", cpu_max="100000 100000")
    assert version_2.count() == 1


def test_the_least_of_nested_groups_counts_in_version_1(version_1):
    version_1.limit("cpu", cpu_cfs_quota_us=-1, cpu_cfs_period_us=100000)
    version_1.limit("cpu/slice", cpu_cfs_quota_us=300000, cpu_cfs_period_us=100000)
    version_1.limit("cpu/slice/service", cpu_cfs_quota_us=-1, cpu_cfs_period_us=100000)
    assert version_1.count() == 3


def test_groups_of_others_do_not_count(version_2):
    version_2.limit("unified/slice/other", cpu_max="100000 100000")
    version_2.limit("unified/slice/service/below", cpu_max="100000 100000")
    version_2.limit(".", cpu_max="100000 100000")  # above the mount
    assert version_2.count() is None


def test_both_versions_may_be_there(version_1):
    version_1.mount("cgroup2", "unified")
    version_1.join("/")
    version_1.limit("cpu/slice", cpu_cfs_quota_us=500000, cpu_cfs_period_us=100000)
    assert version_1.count() == 5
    version_1.limit("unified", cpu_max="200000 100000")
    assert version_1.count() == 2


@pytest.mark.parametrize("path", ["/docker/1f", "/", "/../other", "/host/of/it"])
def test_in_a_container_its_own_group_is_mounted(path, groups):
    """The path is the host's, or that of a namespace of groups."""
    groups.mount("cgroup2", "unified", root="/docker/1f")
    groups.join(path)
    groups.limit("unified", cpu_max="200000 100000")
    assert groups.count() == 2


def test_a_part_of_a_hierarchy_may_be_mounted(groups):
    groups.mount("cgroup2", "a place", root="/docker")
    groups.join("/docker/1f")
    groups.limit("a place/1f", cpu_max="200000 100000")
    assert groups.count() == 2


def test_where_nothing_is_said_nothing_is_limited(groups, tmp_path):
    assert processors_by_quota(tmp_path / "nowhere") is None
    assert groups.count() is None  # no file of groups
    groups.join("/slice")
    assert groups.count() is None
    for name in ("cgroup", "mountinfo"):
        (groups.process / name).write_bytes(b"\xff nonsense\n\n::\n - cgroup2\n")
    assert groups.count() is None


def test_threads_are_the_processors_that_may_be_used(version_2, monkeypatch):
    monkeypatch.delenv(native.THREADS_VARIABLE, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(processors, "_PROCESS", version_2.process)
    assert native.choose_threads() == usable_processors() == 8
    version_2.limit("unified/slice", cpu_max="300000 100000")
    assert native.choose_threads() == usable_processors() == 3
    version_2.limit("unified/slice", cpu_max="1200000 100000")
    assert native.choose_threads() == usable_processors() == 8


def test_threads_are_no_more_than_the_compiled_part_takes(monkeypatch):
    monkeypatch.delenv(native.THREADS_VARIABLE, raising=False)
    monkeypatch.setattr(native, "usable_processors", lambda: 1536)
    assert native.choose_threads() == 1024


def test_without_affinity_all_processors_count(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    for count, wanted in ((6, 6), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda found=count: found)
        assert processors.processors_by_affinity() == wanted
