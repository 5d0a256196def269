"""Every notebook runs from a clean kernel, and is stored with the outputs that its code gives."""

from __future__ import annotations

import ast
import base64
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NAMES = ("first_classifier", "spectrograms")
LARGEST = 1_500_000  # bytes of a stored notebook
LIGHTEST = 2_000  # bytes that an object may take to show itself
PLAYED = "<audio"
PATHS = re.compile(rb"(?<![\w.<])/(?:work|tmp|home|root|Users|var|private|mnt)/|\b[A-Z]:\\+\w")
WARNING = re.compile(r"\w*Warning\b|Traceback")

Notebook = Any


def stored(name: str) -> Notebook:
    """The notebook as it is kept in the repository."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


@pytest.fixture(scope="module", params=NAMES)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Notebook, Notebook]:
    """A notebook as it is stored, and as it runs now."""
    folder = tmp_path_factory.mktemp("notebook")
    command = [sys.executable, str(FOLDER / "run.py"), request.param, "--out", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return stored(request.param), nbformat.read(folder / f"{request.param}.ipynb", as_version=4)


def code(notebook: Notebook) -> list[Any]:
    """The cells that run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: Any) -> Iterator[tuple[str, str]]:
    """Type and content of each output of a cell."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.name, output.text
        else:
            yield from output.get("data", {}).items()


def shows(cell: Any) -> bool:
    """Whether a cell ends with a value, or displays or prints something on its way."""
    tree = ast.parse(cell.source)
    calls = [node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return isinstance(tree.body[-1], ast.Expr) or bool({"display", "print"} & set(calls))


def draws(cell: Any) -> bool:
    """Whether a cell ends with a figure, or displays one; definitions of functions draw nothing yet."""
    run = [node for node in ast.parse(cell.source).body if not isinstance(node, ast.FunctionDef | ast.ImportFrom)]
    return re.search(r"\b(plots\.\w+|show|seen|Image)\(", "\n".join(map(ast.unparse, run))) is not None


def check(notebook: Notebook) -> None:
    """What holds for every notebook with outputs, stored or fresh."""
    for number, cell in enumerate(code(notebook), start=1):
        outputs = list(shown(cell))
        kinds = {kind for kind, _ in outputs}
        assert cell.execution_count == number, f"cell {cell.id} was not run in order; run notebooks/run.py"
        assert all(output.output_type != "error" for output in cell.outputs), cell.id
        assert "stderr" not in kinds, f"cell {cell.id} writes to standard error: {outputs}"
        assert bool(outputs) or not shows(cell), f"cell {cell.id} has no output; run notebooks/run.py"
        assert "image/png" in kinds or not draws(cell), f"cell {cell.id} shows no figure"
        for kind, content in outputs:
            raw = base64.b64decode(content) if kind.startswith("image/") else content.encode()
            assert not PATHS.search(raw), f"cell {cell.id} names a path of this machine: {PATHS.search(raw)}"
            assert tempfile.gettempdir() not in content, cell.id
            if kind.startswith("text/") and PLAYED not in content:
                assert len(raw) < LIGHTEST, f"cell {cell.id}: {kind} takes {len(raw)} bytes"
            if not kind.startswith("image/") and PLAYED not in content:
                assert not WARNING.search(content), f"cell {cell.id}: {content}"


def test_it_runs_from_a_clean_kernel(runs: tuple[Notebook, Notebook]) -> None:
    check(runs[1])


def test_the_stored_outputs_are_those_of_its_code(runs: tuple[Notebook, Notebook]) -> None:
    kept, fresh = runs
    check(kept)
    for before, now in zip(code(kept), code(fresh), strict=True):
        kinds = [sorted({kind for kind, _ in shown(cell)}) for cell in (before, now)]
        assert kinds[0] == kinds[1], f"cell {now.id} shows other outputs now; run notebooks/run.py"


def test_readers_meet_right_and_wrong_predictions(runs: tuple[Notebook, Notebook]) -> None:
    for notebook in runs:
        for cell in code(notebook):
            if cell.source.startswith("show(surest"):
                kinds = [kind for output in cell.outputs for kind in output.data]
                assert kinds.count("image/png") == 2, f"cell {cell.id} shows too few predictions"
                assert sum(PLAYED in content for _, content in shown(cell)) == 2


@pytest.mark.parametrize("name", NAMES)
def test_it_is_light_and_can_be_opened(name: str) -> None:
    notebook = stored(name)
    nbformat.validate(notebook)
    assert (FOLDER / f"{name}.ipynb").stat().st_size < LARGEST
    assert notebook.metadata.kernelspec.name == "python3"
    assert not PATHS.search("\n".join(cell.source for cell in notebook.cells).encode())


def test_all_notebooks_are_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_sentences_are_short(name: str) -> None:
    for cell in stored(name).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"```.*?```", "", cell.source, flags=re.DOTALL)
            for part in re.split(r"\n\n|\n(?=[-*|#\d])", text):
                for sentence in re.split(r"(?<=[.?!:])\s+", part):
                    assert len(sentence.split()) <= 30, sentence
