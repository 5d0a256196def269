"""Every file and every column is accounted for, by every command that reads a data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import TINY, Run, write_tones

SET = [word for setting in (*TINY, "epochs=1") for word in ("--set", setting)]


@pytest.fixture(scope="module")
def messy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings and a table of them, among all that lies in real folders."""
    root = write_tones(tmp_path_factory.mktemp("data") / "messy", clips=6)
    rows = [
        f"{p.relative_to(root).as_posix()},{p.parent.name},g{i // 2},{i}"
        for i, p in enumerate(sorted(root.rglob("*.wav")))
    ]
    (root / "labels.csv").write_text(
        "\n".join(["File Name,Class,Speaker,weight", *rows, "low/bad.wav,low,g9,7"]) + "\n"
    )
    (root / "low" / "bad.wav").write_bytes(b"no sound")
    (root / "low" / "extra.wav").write_bytes((root / "low" / "g0_0.wav").read_bytes())
    (root / "low" / "g0_0.txt").write_text("called at noon")
    (root / ".hidden").write_text("x")
    (root / "README.md").write_text("x")
    (root / "picture.png").write_bytes(b"x")
    (root / "strange.xyz").write_bytes(b"x")
    return root


def check(found: dict[str, Any], root: Path) -> None:
    files = found["files"]
    assert files["total"] == len([p for p in root.rglob("*") if p.is_file()]) == 26
    skipped = {reason: paths for reason, paths in files["skipped"].items() if paths}
    assert files["used"] == 19  # 18 recordings and the table
    assert skipped == {
        "documents": ["README.md"],
        "pictures": ["picture.png"],
        "hidden files and folders of the system": [".hidden"],
        "not-audio recordings": ["low/bad.wav"],
    }
    assert files["unused"] == {
        "recordings without labels": ["low/extra.wav"],
        "label files of unknown format": ["low/g0_0.txt"],
        "files of unknown format": ["strange.xyz"],
    }
    assert found["columns"] == {"File Name": "path", "Class": "label", "Speaker": "group", "weight": "further"}
    assert any("3 files are not used" in text for text in [*found["notes"], *found.get("problems", [])])


def test_scan_train_crossval_and_evaluate_account_alike(messy: Path, tmp_path: Path, run: Callable[..., Run]) -> None:
    scanned = run("scan", messy, "--json")
    assert scanned.code == 1
    check(json.loads(scanned.out), messy)
    trained = run("train", messy, "--out", tmp_path / "model", "--json", *SET)
    assert trained.code == 1, trained.err  # one recording failed
    check(json.loads(trained.out), messy)
    assert "files     26: 19 used, 4 skipped" in trained.err
    pooled = run("crossval", messy, "--out", tmp_path / "cv", "--folds", 2, "--json", *SET)
    assert pooled.code == 1, pooled.err
    check(json.loads(pooled.out), messy)
    measured = run("evaluate", tmp_path / "model", messy, "--split", "all", "--json")
    assert measured.code == 1, measured.err
    check(json.loads(measured.out), messy)


def test_scan_says_what_is_not_used(messy: Path, run: Callable[..., Run]) -> None:
    shown = run("scan", messy).out
    skipped = "1 documents, 1 pictures, 1 hidden files and folders of the system, 1 not-audio recordings"
    assert f"files     26: 19 used, 4 skipped ({skipped}), 3 not used" in shown
    assert (
        "columns   File Name is the path, Class is the label, Speaker is the group; kept as they are: weight" in shown
    )
    assert "wrong     see above; training excludes the 1 recordings that it cannot use, and keeps the others" in shown
    assert "nothing is wrong" not in shown
