"""The documentation says what the code does."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

from earmark.audio import EXTENSIONS
from earmark.cli import app
from earmark.data.tables import EXTENSIONS as TABLES
from earmark.data.tables.columns import ALIASES

ROOT = Path(__file__).parents[1]
DATA = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")


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


ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_rooms_of_the_architecture_are_the_codes_own() -> None:
    table = ARCHITECTURE.split("\n## Rooms\n")[1].split("\n```")[0]
    named = [name for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    package = ROOT / "src" / "earmark"
    assert sorted(named) == sorted(
        p.stem for p in package.iterdir() if p.name not in ("__init__.py", "__pycache__", "py.typed")
    )


def test_every_stop_of_a_recording_exists() -> None:
    for title, most in (("training", 40), ("prediction", 10)):
        walk = ARCHITECTURE.split(f"way through {title}\n")[1].split("\n## ")[0]
        stops = re.findall(r"^\| \d+ \| `([\w.]+)`", walk, re.MULTILINE)
        assert 5 < len(stops) <= most
        for stop in stops:
            assert callable(pkgutil.resolve_name(f"earmark.{stop}")), stop


def test_the_places_to_change_exist() -> None:
    table = ARCHITECTURE.split("\n## Where do I change what\n")[1]
    for path in re.findall(r"`([\w/]+(?:/|\.py|\.html|\.md))`", table):
        assert (
            (ROOT / "src" / "earmark" / path).exists() or (ROOT / path).exists() or (ROOT / "tests" / path[6:]).exists()
        ), path
    for row in re.findall(r"^\| .*", table, re.MULTILINE):
        files = re.findall(r"`([\w/]+\.(?:py|html))`", row)
        text = "".join((ROOT / "src" / "earmark" / f).read_text(encoding="utf-8") for f in files)
        for name in re.findall(r"`([A-Z]{3,}[A-Z_]*|_\w+)`", row):
            assert name in text or any(name in p.read_text(encoding="utf-8") for p in (ROOT / "src").rglob("*.py")), (
                name
            )
