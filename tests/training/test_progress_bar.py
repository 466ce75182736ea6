"""What a person sees of long work."""

import io
import sys

import pytest

from mobilebert.training import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("shown", [True, False])
@pytest.mark.parametrize(("total", "wanted"), [(4000, "4000/4000"), (None, "4000row")])
def test_rows_are_counted_on_a_terminal(monkeypatch, shown, total, wanted):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress_bar, "_SOON", 0.0)
    with progress_bar.counting(total, "encoding", shown=shown) as done:
        for count in range(1, 4001):
            done(count)
    written = sys.stderr.getvalue()
    assert (wanted in written) == shown


def test_what_takes_no_time_gets_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setattr(progress_bar, "_SOON", 1e9)
    with progress_bar.counting(10, "encoding", shown=True) as done:
        done(10)
    assert sys.stderr.getvalue() == ""


def test_a_file_gets_no_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(progress_bar, "_SOON", 0.0)
    with progress_bar.counting(10, "encoding", shown=True) as done:
        done(10)
    assert sys.stderr.getvalue() == ""
