"""The rules of the house: layers, light imports, one owner for each heavy package, the public surface."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import earmark
from earmark import tasks

SOURCE = Path(earmark.__file__).parent

# A package imports only from packages further up in this list.
ROOMS = (
    "errors", "support", "types", "audio", "bundle", "data", "evaluation", "tasks", "inference", "frontend", "networks", "training",
    "export", "figures", "workflow", "cli",
)  # fmt: skip
OWNERS = {
    "soundfile": "audio", "soxr": "audio", "av": "audio", "onnxruntime": "inference", "lightning": "training", "onnx": "export",
    "pooch": "data", "optuna": "workflow", "matplotlib": "figures", "PIL": "figures", "jinja2": "figures", "librosa": "",
}  # fmt: skip
HEAVY = (
    "torch",
    "pandas",
    "matplotlib",
    "librosa",
    "sklearn",
    "scipy",
    "lightning",
    "onnx",
    "pyarrow",
    "jinja2",
    "PIL",
)


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def modules() -> list[Path]:
    return [p for p in sorted(SOURCE.rglob("*.py")) if p != SOURCE / "__init__.py"]


def imports(path: Path) -> set[str]:
    """Dotted names of everything that a file imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_top_level() -> None:
    assert {room(p) for p in modules()} == set(ROOMS)
    packages = [p for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"]
    assert len(packages) <= 16 and len(list(SOURCE.glob("*.py"))) <= 4
    for package in packages:
        text = ast.get_docstring(ast.parse((package / "__init__.py").read_text(encoding="utf-8"))) or ""
        assert [line.partition(":")[0] for line in text.splitlines()[2:5] if ":" in line][:1] == ["In"], package.name
        assert "\nImports: " in text, package.name


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_files_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 400


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_packages_import_those_above_them(path: Path) -> None:
    own = room(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "earmark" and len(parts) > 1 and parts[1] in ROOMS and parts[1] != own:
            assert ROOMS.index(parts[1]) < ROOMS.index(own), f"{own} imports {parts[1]}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_nobody_compares_a_tasks_name(path: Path) -> None:
    """Outside `tasks` and the bundle's schema: what differs between tasks is asked of the task."""
    if room(path) == "tasks" or path.relative_to(SOURCE) == Path("bundle", "description.py"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare | ast.MatchValue):
            names = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
            names |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            words = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
            assert not names & {"CLASSIFICATION", "MULTILABEL", "ANOMALY", "NAME"}, f"line {node.lineno}"
            assert not words & set(tasks.TASKS), f"line {node.lineno}"
            assert "task" not in {
                getattr(node.left, "attr", None),
                *(getattr(c, "attr", None) for c in node.comparators),
            }


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_heavy_packages_have_one_owner(path: Path) -> None:
    for name in imports(path):
        package = name.split(".")[0]
        if package in OWNERS:
            assert room(path) in OWNERS[package].split(), f"{path.name} imports {package}"


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import earmark", (*HEAVY, "onnxruntime", "numpy")),
        (
            "import sys, earmark.cli; sys.argv = ['earmark', '--help']; earmark.cli.main()",
            (*HEAVY, "onnxruntime", "numpy"),
        ),
    ],
)
def test_light_imports(code: str, forbidden: tuple[str, ...]) -> None:
    check = f"import sys\ntry:\n  exec({code!r})\nexcept SystemExit:\n  pass\nprint([m for m in {forbidden!r} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[-1] == "[]"


def test_prediction_imports_no_training_package(trained: earmark.Result, tones: Path) -> None:
    code = (
        f"import sys, earmark; earmark.load({str(trained.path)!r}).predict({str(tones / 'low' / 'g0_0.wav')!r})\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_public_surface() -> None:
    assert earmark.__all__ == sorted(earmark.__all__)
    assert set(earmark.__all__) == {
        "AudioError", "BundleError", "DataError", "Deviation", "EarmarkError", "Event", "Interrupted",
        "Manifest", "MissingExtra", "Model", "OutputError", "Prediction", "Result", "Scan", "Score", "SettingsError",
        "Tuned", "Waveform", "Window", "Written", "adapt", "crossval", "evaluate", "load", "predict", "read", "scan", "spectrogram",
        "train", "tune",
    }  # fmt: skip
    for name in earmark.__all__:
        assert getattr(earmark, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        earmark.nothing  # noqa: B018
