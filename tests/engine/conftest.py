"""Fixtures of several files here."""

import pytest

from mobilebert.engine.execution import Execution


@pytest.fixture
def programs(monkeypatch):
    """The programs that were given to the native encoder."""
    given, begin = [], Execution.__init__

    def remember(self, program, *arguments):
        given.append(program)
        begin(self, program, *arguments)

    monkeypatch.setattr(Execution, "__init__", remember)
    return given
