"""Results as a run leaves them, with made-up numbers."""

from mobilebert.bench.work import SUITES


def record(name, median, ours=False, dtype="float32", **more):
    found = {
        "runner": name,
        "dtype": dtype,
        "ours": ours,
        "state": "measured",
        "reason": None,
        "error": 1e-6,
        "first_seconds": median,
        "way": "2 threads",
        "padded": False,
        "probes": {"2 threads": median},
        "median": median,
        "p90": median,
        "least": median,
        "calls": 9,
    }
    return found | more


def failed(name, ours=False, reason="no such thing"):
    return {
        "runner": name,
        "dtype": "int8",
        "ours": ours,
        "state": "failed",
        "reason": reason,
        "error": None,
    }


def content(*rows):
    return {
        "schema": 1,
        "date": "2026-01-02",
        "commit": "abc",
        "machine": {"name": "a processor"},
        "versions": {"numpy": "2", "torch": None},
        "model": {"layers": 24},
        "threads": 2,
        "peaks": {
            "threads": 2,
            "gemm": {"numpy": 300.0},
            "units": {"amx bfloat16": 6000.0},
            "theory": {"amx bfloat16": 6500.0},
        },
        "rows": [{"work": work, "runners": list(records)} for work, records in rows],
    }


def work_name(number):
    return SUITES["figures"][number].name
