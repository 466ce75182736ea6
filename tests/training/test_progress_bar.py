"""What a person sees of long work."""

import io
import sys

import pytest

from mobilebert.training.progress_bar import counting


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("shown", [True, False])
def test_rows_are_counted_on_a_terminal(monkeypatch, shown):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with counting(4000, "encoding", shown=shown) as done:
        for count in range(1, 4001):
            done(count)
    written = sys.stderr.getvalue()
    assert ("4000/4000" in written) == shown


def test_a_file_gets_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with counting(10, "encoding", shown=True) as done:
        done(10)
    assert sys.stderr.getvalue() == ""
