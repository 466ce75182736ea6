"""Emptying caches streams more memory than they hold."""

import os

from mobilebert.bench import cold


def test_buffers_exceed_the_caches(monkeypatch):
    cold._buffers.cache_clear()
    monkeypatch.setattr(cold, "_largest_cache", lambda: 2**20)
    try:
        buffers = cold._buffers()
        assert sum(buffer.nbytes for buffer in buffers) >= 1.4 * 2**20
        assert len(buffers) == len(os.sched_getaffinity(0))
        cold.empty_caches()
        assert all((buffer == 2).all() for buffer in buffers)
    finally:
        cold._buffers.cache_clear()
        cold._pool.cache_clear()


def test_the_cache_of_this_machine_is_found_or_taken_as_usual():
    assert cold._largest_cache() >= cold._USUAL_CACHE
