"""Bundles of an older Earmark load and predict the same; tests/golden/write.py wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import earmark
from earmark import bundle
from golden.write import predictions, recordings

GOLDEN = Path(__file__).parents[1] / "golden" / "schema1"
KEPT = json.loads((GOLDEN / "predictions.json").read_text(encoding="utf-8"))


def close(found: Any, kept: Any) -> bool:
    """Equal, but for the last digits of a float, which differ from processor to processor."""
    if isinstance(kept, dict):
        return found.keys() == kept.keys() and all(close(found[key], kept[key]) for key in kept)
    if isinstance(kept, list):
        return len(found) == len(kept) and all(map(close, found, kept))
    return bool(found == (pytest.approx(kept, rel=1e-4, abs=1e-6) if isinstance(kept, float) else kept))


@pytest.mark.parametrize("task", KEPT)
def test_they_predict_the_same(task: str, tmp_path: Path) -> None:
    recordings(tmp_path / "recordings")
    assert close(predictions(GOLDEN / task, tmp_path / "recordings"), KEPT[task])


@pytest.mark.parametrize("task", KEPT)
def test_so_do_archives_of_them(task: str, tmp_path: Path) -> None:
    recordings(tmp_path / "recordings")
    zipped = Path(shutil.make_archive(str(tmp_path / "model"), "zip", GOLDEN / task))
    assert close(predictions(zipped, tmp_path / "recordings"), KEPT[task])


@pytest.mark.parametrize("task", KEPT)
def test_their_description_is_read_whole(task: str) -> None:
    written = json.loads((GOLDEN / task / "earmark.json").read_text(encoding="utf-8"))
    spec = bundle.read(GOLDEN / task).spec
    assert spec.task == task
    assert {name: value for name, value in written.items() if name != "files"} == spec.to_dict()


def test_classifiers_go_on_from_them(tones: Path, tmp_path: Path) -> None:
    options = {"base": GOLDEN / "classification", "settings": ("epochs=1", "epochs_a_label=0", "min_steps=0")}
    made = earmark.train(tones, tmp_path / "model", **options)
    assert earmark.load(made.path).labels == ("high", "low", "noise")
