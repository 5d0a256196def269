"""The documentation says what the code does, in plain sentences, and its links lead somewhere."""

from __future__ import annotations

import dataclasses
import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

import earmark
from earmark.audio import EXTENSIONS
from earmark.cli import app
from earmark.data.tables import EXTENSIONS as TABLES
from earmark.data.tables.columns import ALIASES
from earmark.training.settings import Recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
CODE = re.compile(r"^ *(```|:::).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
pages = pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())


def options() -> dict[str, set[str]]:
    """The options of each command."""
    from typer.core import TyperGroup
    from typer.main import get_command

    group = get_command(app)
    assert isinstance(group, TyperGroup)
    found = {}
    for verb, command in group.commands.items():
        inner = command.commands.values() if isinstance(command, TyperGroup) else [command]
        found[verb] = {option for one in inner for parameter in one.params for option in parameter.opts}
    return found


@pages
def test_commands_and_options_exist(text: str) -> None:
    known = options()
    every = set().union(*known.values()) | {"--debug", "--help", "--version"}
    for verb, rest in re.findall(r"(?:^|`|\$ )earmark (\w+)([^\n`]*)", text, re.MULTILINE):
        assert verb in known
        assert set(re.findall(r"(?<!\S)--[\w-]+", rest)) <= known[verb] | {"--debug"}, verb
    assert set(re.findall(r"`(--[\w-]+)", text)) <= every


@pages
def test_settings_and_functions_exist(text: str) -> None:
    settings = {field.name for field in dataclasses.fields(Recipe)}
    assert set(re.findall(r"--set (\w+)=", text)) <= settings | {
        "epoch",
        "NAME",
        "key",
    }  # a typo, which is shown as one
    for name in re.findall(r"`earmark\.([a-z]\w*)(?:\(|`)", text):
        assert name in earmark.__all__ or name == "json" or (ROOT / "src" / "earmark" / name).exists(), name


@pages
def test_extras_exist(text: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for names in re.findall(r'"\.\[([\w,]+)\]"', text):
        assert set(names.split(",")) <= project["optional-dependencies"].keys()


@pages
def test_no_package_index_is_named(text: str) -> None:
    assert not re.search(r"(pip|pipx|uv tool) install \"?earmark", text)


@pytest.mark.parametrize("page", PAGES, ids=TEXTS.keys())
def test_links_lead_somewhere(page: Path) -> None:
    prose = CODE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", prose):
        place, _, anchor = target.partition("#")
        if place.startswith(("http:", "https:")):
            continue
        to = page if not place else page.parent / place
        assert to.exists(), target
        if anchor and to.suffix == ".md":
            headings = re.findall(r"^#+ (.+)$", CODE.sub("", to.read_text(encoding="utf-8")), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", h).lower().replace(" ", "-") for h in headings}, target


def sentences(text: str) -> list[str]:
    """Sentences of the prose: of paragraphs, list items and cells of tables; a code span counts as one word."""
    prose = re.sub(r"`+[^`\n]+`+", "code", CODE.sub("", text))
    prose = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", prose)
    parts = re.split(r"\n\s*\n|\n *(?:[-*]|\d+\.) |\n(?=[#|])|\|", prose)
    return [s for part in parts for s in re.split(r"(?<=[.!?:;])\s+", part.strip()) if re.search(r"\w", s)]


def test_sentences_are_short() -> None:
    lengths = [len(sentence.split()) for text in TEXTS.values() for sentence in sentences(text)]
    assert sum(n > 30 for n in lengths) < 0.02 * len(lengths)
    assert sum(n > 20 for n in lengths) < 0.2 * len(lengths)


@pages
def test_percentages_have_no_blank(text: str) -> None:
    assert not re.findall(r"\d %", text)


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
    assert set(re.findall(r"`(--[\w-]+)", DATA)) <= options()["scan"]


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
