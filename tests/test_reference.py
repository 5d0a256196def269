"""The reference is made from the code: nothing that a reader may look up is missing."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import onnxruntime
import pytest

import earmark
from earmark.audio import EXTENSIONS
from earmark.bundle import BundleSpec
from earmark.cli import app
from earmark.data.layouts.known import LAYOUTS
from earmark.data.tables import EXTENSIONS as TABLES
from earmark.data.tables.columns import ALIASES
from earmark.training import recipe
from earmark.training.settings import settings

ROOT = Path(__file__).parents[1]
GOLDEN = Path(__file__).parent / "golden" / "schema1"


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "_ext" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(generate: ModuleType) -> dict[str, str]:
    made: dict[str, str] = generate.pages()
    return made


def commands() -> dict[str, Any]:
    from typer.core import TyperGroup
    from typer.main import get_command

    group = get_command(app)
    assert isinstance(group, TyperGroup)
    found: dict[str, Any] = {}
    for verb, command in group.commands.items():
        inner = command.commands if isinstance(command, TyperGroup) else {"": command}
        found |= {f"earmark {verb} {name}".strip(): one for name, one in inner.items()}
    return found


def section(text: str, title: str) -> str:
    """What stands under a heading of the second level."""
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("name", commands())
def test_every_command_has_its_options(pages: dict[str, str], name: str) -> None:
    text, command = section(pages["command_line.md"], name), commands()[name]
    assert command.help.split("\n")[0].strip() in text
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            assert parameter.name.upper() in text
        else:
            row = next(line for line in text.splitlines() if re.match(rf"\| `{parameter.opts[0]}[ `]", line))
            assert re.sub(r"\W", "", parameter.help) in re.sub(r"\W", "", row)
            assert all(f"`{flag}" in row for flag in parameter.opts)
            panel = parameter.rich_help_panel
            table = next(t for t in text.split("\n\n") if row in t)
            assert table.startswith(f"| {panel.lower()} option" if panel else "| option")
    for example in (command.epilog or "").split("\n\n")[1:]:
        assert f"\n{example}\n" in text


def test_settings_have_text_range_default_and_values(pages: dict[str, str]) -> None:
    text = pages["settings.md"]
    for setting in settings():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{setting.name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert cells[1:3] == [setting.allowed, f"`{setting.default}`"]
        assert re.sub(r"\W", "", cells[3]) == re.sub(r"\W", "", setting.about)


@pytest.mark.parametrize("kind", [*recipe.KINDS, ""])
def test_values_in_each_recipe(pages: dict[str, str], kind: str) -> None:
    names = [f"{tier}+{kind}" for tier in recipe.TIERS] if kind else ["anomaly", "finetune", "notebook"]
    header = f"| setting | {' | '.join(f'`{name}`' for name in names)} |\n"
    rows = pages["settings.md"].split(header)[1].split("\n\n")[0]
    shown = {row.split("`")[1]: re.findall(r"`([^`]*)`", row)[1:] for row in rows.splitlines()[1:]}
    values = [recipe.load(name).to_dict() for name in names]
    differ = [s.name for s in settings() if any(v[s.name] != s.default for v in values)]
    assert shown == {name: [str(v[name]) for v in values] for name in differ}


def test_every_public_name_is_documented(pages: dict[str, str]) -> None:
    listed = re.findall(r"^\.\. auto\w+:: earmark\.(\w+)", pages["api.md"], re.MULTILINE)
    assert sorted(listed) == sorted(earmark.__all__)
    for name in earmark.__all__:
        assert re.search(rf"^\| `earmark\.{name}` \| \w", pages["api.md"], re.MULTILINE), name


def test_keys_of_a_bundle(pages: dict[str, str]) -> None:
    keys = section(pages["bundle.md"], "Keys of earmark.json")
    listed = {key for row in keys.splitlines() for key in re.findall(r"`(\w+)`", row.split(" | ")[0])}
    assert listed == {field.name for field in dataclasses.fields(BundleSpec)} | {"schema", "files"}
    for place in GOLDEN.glob("*/earmark.json"):
        assert set(json.loads(place.read_text(encoding="utf-8"))) <= listed
    detector = json.loads((GOLDEN / "anomaly" / "earmark.json").read_text(encoding="utf-8"))["detector"]
    items = re.findall(r"^- `(\w+)`", section(pages["bundle.md"], "The key `detector`"), re.MULTILINE)
    assert sorted(items) == sorted(detector)


def test_files_of_a_bundle(pages: dict[str, str], trained: earmark.Result) -> None:
    files = section(pages["bundle.md"], "Files")
    listed = set(re.findall(r"`([\w.]+)/?`", files))
    assert trained.path is not None
    assert {place.name for place in trained.path.iterdir()} <= listed
    assert {place.name for place in (GOLDEN / "anomaly").iterdir()} <= listed


@pytest.mark.parametrize(("model", "row"), [("classification", "classifier"), ("anomaly", "anomaly detector")])
def test_contract_of_the_onnx(pages: dict[str, str], model: str, row: str) -> None:
    session = onnxruntime.InferenceSession(GOLDEN / model / "model.onnx")
    text = section(pages["bundle.md"], "model.onnx")
    line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
    _, inputs, outputs = (set(re.findall(r"`(\w+)`", cell)) for cell in line.strip("|").split(" | "))
    assert inputs == {x.name for x in session.get_inputs()}
    assert outputs == {x.name for x in session.get_outputs()}
    metadata = session.get_modelmeta().custom_metadata_map
    assert all(f"metadata key `{key}`" in text for key in metadata)
    described = json.loads(metadata["earmark"])
    assert "files" not in described and not described["metrics"]


def test_formats_that_are_read(pages: dict[str, str]) -> None:
    spans = set(re.findall(r"`([^`]+)`", pages["formats.md"]))
    assert spans >= EXTENSIONS
    assert set(TABLES) <= spans
    assert {name for names in ALIASES.values() for name in names} <= spans
    assert {layout.name for layout in LAYOUTS} <= spans


def test_pages_are_written_once(generate: ModuleType, pages: dict[str, str], tmp_path: Path) -> None:
    generate.write(tmp_path)
    assert {place.name: place.read_text(encoding="utf-8") for place in tmp_path.iterdir()} == pages
    times = {place: place.stat().st_mtime_ns for place in tmp_path.iterdir()}
    generate.write(tmp_path)
    assert {place: place.stat().st_mtime_ns for place in tmp_path.iterdir()} == times


def test_the_index_lists_the_pages(pages: dict[str, str]) -> None:
    tree = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8").split("```{toctree}")[1]
    assert re.findall(r"^(\w+)$", tree, re.MULTILINE) == [name.removesuffix(".md") for name in pages]
    assert all(text.startswith("# ") for text in pages.values())
