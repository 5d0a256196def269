"""The rules of the house: layers, light imports, one owner for each heavy package, the public surface."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import earmark

SOURCE = Path(earmark.__file__).parent

# A module imports only from layers above it in this table, or from modules further left in its own.
LAYERS = (
    ("errors", "types", "files", "progress"),
    ("containers", "audio", "synth", "windows", "levels", "bundle", "detector", "model"),
    (
        "tables", "annotations", "inventory", "manifest", "conditions", "fingerprint", "cache", "selections", "layouts",
        "splits", "recipe", "recipes", "similar", "options", "inspection", "shortcuts", "scanner", "archives", "datasets",
        "filters", "frontend", "augment", "networks",
    ),
    ("classifier", "dataset"),
    ("graph", "export", "evaluation", "measuring", "anomaly", "training", "provenance"),
    ("plots", "images", "report", "workflow"),
    ("cli",),
)  # fmt: skip
RANK = {name: (layer, place) for layer, names in enumerate(LAYERS) for place, name in enumerate(names)}
OWNERS = {
    "soundfile": "audio", "soxr": "audio", "av": "audio", "onnxruntime": "model", "lightning": "training", "onnx": "graph export",
    "pooch": "datasets", "optuna": "workflow",
    "matplotlib": "plots", "PIL": "images", "jinja2": "report", "librosa": "",
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


def test_every_module_has_a_layer() -> None:
    assert {room(p) for p in modules()} == set(RANK)


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    own = room(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "earmark" and len(parts) > 1 and parts[1] in RANK and parts[1] != own:
            assert RANK[parts[1]] < RANK[own], f"{own} imports {parts[1]}"


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
        "AudioError", "BundleError", "DataError", "DataOptions", "Deviation", "EarmarkError", "Event", "Interrupted",
        "Manifest", "MissingExtra", "Model", "OutputError", "Prediction", "Result", "Scan", "Score", "SettingsError",
        "TrainOptions", "Tuned", "Waveform", "Window", "adapt", "crossval", "evaluate", "load", "scan", "train", "tune",
    }  # fmt: skip
    for name in earmark.__all__:
        assert getattr(earmark, name).__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        earmark.nothing  # noqa: B018
