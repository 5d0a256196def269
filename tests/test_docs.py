"""The documentation says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from earmark.audio import EXTENSIONS
from earmark.cli import app
from earmark.data.tables import EXTENSIONS as TABLES
from earmark.data.tables.columns import ALIASES

DATA = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")


def rows(section: str) -> list[list[str]]:
    text = DATA.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def test_the_table_of_columns_is_the_codes_own() -> None:
    named = [tuple(re.findall(r"`([^`]+)`", row[1])) for row in rows("Tables") if len(row) == 2]
    assert [names for names in named if names] == list(ALIASES.values())


def test_formats_that_are_read() -> None:
    said = set(re.findall(r"`(\.\w+)`", " ".join(row[1] for row in rows("Tables") if len(row) == 3)))
    assert set(TABLES) <= said
    for name in ("m4a", "mp4", "aac", "webm", "mka", "mkv", "wma", "amr", "3gp", "wv", "ape", "tta"):
        assert f".{name}" in EXTENSIONS and name in DATA


def test_the_options_exist() -> None:
    from typer.core import TyperGroup
    from typer.main import get_command

    group = get_command(app)
    assert isinstance(group, TyperGroup)
    known = {option for parameter in group.commands["scan"].params for option in parameter.opts}
    assert set(re.findall(r"`(--[\w-]+)", DATA)) <= known
