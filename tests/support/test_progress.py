from __future__ import annotations

import io
import logging
import sys
import types
from typing import Any

import pytest

from earmark.support import progress
from earmark.support.progress import Progress, clock, quiet, step, track


class Clock:
    """Time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


def test_a_log_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    at = Clock(monkeypatch)
    shown = Progress("training", 40, unit="epochs")
    for epoch in range(1, 41):
        at.now += 10  # seconds
        shown.update(epoch, f"loss {1 / epoch:.3f}")
    shown.close()
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert lines[0] == "training  6 of 40 epochs, loss 0.167, 5:40 left"
    assert lines[-1] == "training  36 of 40 epochs, loss 0.028, 0:40 left"


def test_time_left_of_a_resumed_run_counts_its_own_work(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    at = Clock(monkeypatch)
    shown = Progress("training", 100, done=90)
    at.now += 60
    shown.update(95)
    assert capsys.readouterr().err == "training  95 of 100, 1:00 left\n"


def test_items_pass_and_nothing_shows_within_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track(iter(range(3)), "working", 3)) == [0, 1, 2]
    with step("exporting"):
        pass
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert list(track([1, 2], "working", 2)) == [1, 2]
    assert "working" in terminal.getvalue()


def test_a_notebook_gets_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, data: dict[str, str], **_: bool) -> None:
            shown[-1] = data["text/plain"]

    def display(data: dict[str, str], **_: bool) -> Handle:
        shown.append(data["text/plain"])
        return Handle()

    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    place: Any = types.ModuleType("IPython.display")
    place.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", place)
    assert list(track(range(500), "decoding", 500)) == list(range(500))
    assert shown == ["decoding: 500 of 500"]


def test_clock() -> None:
    assert [clock(s) for s in (0, 7.4, 67, 3723)] == ["0:00", "0:07", "1:07", "1:02:03"]


def test_quiet_puts_the_level_back() -> None:
    logger = logging.getLogger("earmark-test-library")
    logger.setLevel(logging.DEBUG)
    with quiet("earmark-test-library"):
        assert not logger.isEnabledFor(logging.WARNING)
        assert logger.isEnabledFor(logging.ERROR)
    assert logger.level == logging.DEBUG
