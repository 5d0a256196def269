from __future__ import annotations

import io
import logging
import sys

import pytest

from earmark.support.progress import quiet, track


def test_items_pass_and_no_bar_shows_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter(range(3)), "working", 3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(track([1, 2], "working", 2)) == [1, 2]
    assert "working" in terminal.getvalue()


def test_quiet_puts_the_level_back() -> None:
    logger = logging.getLogger("earmark-test-library")
    logger.setLevel(logging.DEBUG)
    with quiet("earmark-test-library"):
        assert not logger.isEnabledFor(logging.WARNING)
        assert logger.isEnabledFor(logging.ERROR)
    assert logger.level == logging.DEBUG
