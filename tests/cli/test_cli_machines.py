"""Machine condition on the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import Run
from earmark.audio import synth

CALL = ("--task", "anomaly", "--per", "machine,id", "--set", "false_alarms=5%")


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synth.write_mimii(
        tmp_path_factory.mktemp("mimii") / "data", machines=["pump"], units=(0, 2), normal=15, abnormal=5, wear=(0.8, 1.0),
        seconds=2.0, snr_db=6.0,
    )  # fmt: skip


def test_the_whole_way(run: Callable[..., Run], machines: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    made = run("train", machines, "--out", model, *CALL)
    assert made.code == 0, made.err
    assert (
        "detector  nearest normal sounds, 2 machines, each with its own threshold, set for 5% false alarms" in made.err
    )
    assert "split     fold 1 of 5: 24 clips of label 'normal' to learn from, 16 test" in made.err
    table = made.out[made.out.index("machine ") :].splitlines()
    assert table[0].split() == ["machine", "precision", "recall", "accuracy", "AUC", "n"]
    assert [line.split()[0] for line in table[1:4]] == ["pump/id_00", "pump/id_02", "mean"]
    assert "false alarms: " in made.out and "stated 5% of the windows" in made.out

    found = run("evaluate", model, machines, "--out", tmp_path / "figures", "--json")
    assert found.code == 0
    document = json.loads(found.out)
    assert [row["machine"] for row in document["machines"]] == ["pump/id_00", "pump/id_02"]
    assert document["trained_on"] == 24
    assert "data:image" in (tmp_path / "figures" / "report.html").read_text()

    worn = machines / "6_dB_pump" / "pump" / "id_00" / "abnormal" / "00000004.wav"
    said = run("predict", model, worn, "--machine", "pump/id_00")
    assert said.code == 0
    assert " abnormal  " in said.out and "normal windows  as pump/id_00" in said.out
    (shown,) = json.loads(run("predict", model, worn, "--json", "--windows").out)
    assert shown["labels"] == ["abnormal"] and shown["events"][0]["label"] == "abnormal"
    assert "abnormal since 0.00 s until 2.00 s" in run("predict", model, worn, "--windows").out
    assert run("predict", model, worn, "--machine", "fan").code == 2

    few = tmp_path / "few"
    few.mkdir()
    tested = sorted((machines / "6_dB_pump" / "pump" / "id_00" / "normal").iterdir())
    for path in tested:
        shutil.copy(path, few / path.name)
    adapted = run(
        "adapt", model, few, "--out", tmp_path / "adapted", "--machine", "pump/id_00", "--false-alarms", "1/8h"
    )
    assert adapted.code == 0, adapted.err
    assert "added     " in adapted.err and "the threshold is extrapolated" in adapted.err
    assert (tmp_path / "adapted" / "detector.safetensors").is_file()


def test_folds(run: Callable[..., Run], machines: Path, tmp_path: Path) -> None:
    found = run("crossval", machines, "--out", tmp_path / "cv", "--folds", "2", *CALL)
    assert found.code == 0, found.err
    assert found.out.startswith("fold 1 of 2    AUC ")
    assert "mean of folds  AUC " in found.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--per", "shift"), "has no column 'shift' (--per COLUMNS)"),
        (("--task", "novelty"), "--task is 'novelty'; choose auto or anomaly"),
        (("--task", "anomaly", "--normal", "fine"), "has no label 'fine' (--normal LABEL); it has abnormal, normal"),
        (("--task", "anomaly", "--set", "false_alarms=rarely"), "setting false_alarms is 'rarely'; give a share"),
        (
            ("--task", "anomaly", "--recipe", "balanced"),
            "setting network is 'resnet'; an anomaly detector requires bands",
        ),
    ],
)
def test_wrong_calls(
    run: Callable[..., Run], machines: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    found = run("train", machines, "--out", tmp_path / "model", *words)
    assert found.code == 2
    assert message in found.err and "Traceback" not in found.err
    assert not list(tmp_path.iterdir())
