"""The README is short, shows a report, and says what a newcomer needs. Its code runs in test_docs_run.py."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short() -> None:
    assert len(README.split()) <= 450


def test_the_two_commands_and_the_four() -> None:
    assert re.search(r"^make demo\b", README, re.MULTILINE) and re.search(r"^make test\b", README, re.MULTILINE)
    assert re.findall(r"^\$ earmark (\w+)", README, re.MULTILINE) == ["scan", "train", "evaluate", "predict"]


def test_the_report_is_shown() -> None:
    (image,) = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", README)
    assert (ROOT / image).stat().st_size < 150_000


def test_every_guide_is_linked() -> None:
    for page in [*(ROOT / "docs" / "guides").glob("*.md"), *(ROOT / "docs" / "start").glob("*.md")]:
        assert f"]({page.relative_to(ROOT).as_posix()})" in README


def test_the_accuracy_is_the_one_that_was_measured() -> None:
    measured = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
    for recipe, accuracy in re.findall(r"^\| `(\w+)` \| ([\d.]+)%", README, re.MULTILINE):
        assert re.search(rf"^\| ESC-50[^|]*\| {recipe} \|[^|]*\| \*\*{re.escape(accuracy)}\*\*", measured, re.MULTILINE)
