"""What the user sets is what runs; a setting that does less, or something else, than it says is named in one note."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import earmark
from conftest import TINY, Run
from earmark.data.manifest import Manifest
from earmark.data.options import DataOptions
from earmark.data.splits import Split
from earmark.tasks import classification
from earmark.training import fitting, recipe
from earmark.training.options import TrainOptions
from earmark.workflow import planning
from earmark.workflow.planning import holdout, plan
from earmark.workflow.remarks import remarked

pytestmark = pytest.mark.usefixtures("one_thread")
SOURCE = {"group_pattern": r"[^/]+/g\d+_"}


@pytest.mark.parametrize(
    "name", ["auto", "fast", "balanced", "best", "fast+speech", "best+machine", "finetune", "notebook"]
)
@pytest.mark.parametrize("clips", [8, 24, 400])
def test_epochs_that_are_set_are_the_epochs_that_run(name: str, clips: int) -> None:
    for epochs in (1, 5, 500):
        assert fitting.epochs(recipe.load(name, [f"epochs={epochs}"]), clips, 10) == epochs


def test_minimums_hold_for_defaults_and_where_they_are_set() -> None:
    def run(*changes: str, name: str = "balanced") -> tuple[int, str]:
        chosen = recipe.load(name, changes)
        return fitting.epochs(chosen, 32, 10), fitting.why_epochs(chosen, 32, 10)

    assert run() == (2500, "min_steps 2500")
    assert run("min_steps=100") == (100, "min_steps 100")
    assert run("min_steps=90") == (95, "epochs 60 and epochs_a_label 3.5")
    assert run("epochs=5") == (5, "")
    assert run("epochs=5", "min_steps=100") == (100, "min_steps 100")
    assert run("min_steps=3", "epochs=5") == (5, "")
    assert run("epochs=5", "epochs_a_label=2") == (25, "epochs 5 and epochs_a_label 2")
    assert run("epochs_a_label=0") == (2500, "min_steps 2500")
    assert run("lr=0.1") == run()


def test_a_recipe_of_ones_own_is_the_users(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    for text, changes, wanted in (
        ("epochs = 7\n", [], 7),
        ("epochs = 7\nmin_steps = 90\n", [], 90),
        ("lr = 0.1\n", [], 2500),
        ("lr = 0.1\n", ["epochs=9"], 9),
        ("epochs = 7\n", ["min_steps=90"], 90),
        ("min_steps = 90\n", ["epochs=3"], 90),
        ("epochs = 7\n", ["epochs=8"], 8),
    ):
        own.write_text(text)
        assert fitting.epochs(recipe.load(str(own), changes), 32, 10) == wanted, (text, changes)
    assert recipe.given(str(own), [" lr = 1", "mixup=0"]) == {"epochs", "lr", "mixup"}
    assert recipe.given("fast", ["lr=1"]) == {"lr"}


def test_what_is_set_is_printed(tones: Path, tmp_path: Path, run: Callable[..., Run]) -> None:
    words = ["--set", "width=0.25", "--set", "members=1", "--set", "n_mels=32", "--set", "epochs=2"]
    found = run("train", tones, "--out", tmp_path / "m", *words)
    assert found.code == 0 and "training  2 epochs, about" in found.err
    assert len(fitting.history(tmp_path / "m")) == 2
    more = run("train", tones, "--out", tmp_path / "n", *words, "--set", "min_steps=3")
    assert more.code == 0 and "training  3 epochs (min_steps 3), about" in more.err
    assert "3 epochs instead of 2, since min_steps is 3 and there are 24 clips" in more.err
    assert len(fitting.history(tmp_path / "n")) == 3


def notes(data: Path, *changes: str, name: str = "auto", task: str = "auto", normal: str | None = None) -> list[str]:
    """The notes on the settings of a run on these data."""
    options = TrainOptions(recipe=name, settings=changes, task=task, normal=normal)
    (job,) = plan(data, DataOptions(**SOURCE), options, holdout(options, None, None))
    return [note for note in remarked(job).split.notes if note not in job.split.notes]


def test_defaults_need_no_notes(tones: Path) -> None:
    for name in ("auto", "fast", "best", "speech", "machine", "notebook"):
        assert notes(tones, name=name) == []
    assert notes(tones, *TINY) == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ("patience=3 validation=0.5 ema=0.1", "ema=0.1 has no effect: with patience the weights of the best epoch are kept"),
        ("patience=20 epochs=5", "patience=20 has no effect: the run has 5 epochs"),
        ("patience=3 validation=0.02", "validation=0.02 became 8% of the clips: groups are held out as a whole"),
        ("distill=0.5", "distill=0.5 has no effect: teachers is 0"),
        ("noise_snr_db=3", "noise_snr_db=3.0 has no effect: noise is 0"),
        ("reverb_seconds=1", "reverb_seconds=1.0 has no effect: reverb is 0"),
        ("time_mask=0.3 time_masks=0", "time_mask=0.3 has no effect: time_masks is 0"),
        ("unmixed=0.2 mixup=0 cutmix=0", "unmixed=0.2 has no effect: mixup and cutmix are 0"),
        ("mixup=0.3 cutmix=1", "mixup=0.3 has no effect: cutmix is 1"),
        ("crop_seconds=5", "crop_seconds=5.0 has no effect: it is longer than the window, 0.6 s"),
        ("image_height=32 image_width=32 crop_seconds=0.3", "crop_seconds=0.3 has no effect: an image is made of the whole"),
        ("window_seconds=0.605", "window_seconds=0.605 becomes 0.61: a whole number of hops of 0.01 s"),
        ("stride_seconds=0.123", "stride_seconds=0.123 becomes 0.12: a whole number of hops of 0.01 s"),
        ("hop_seconds=0.0101", "hop_seconds=0.0101 becomes 0.01013: a whole number of samples at 8000 Hz"),
        ("long_hop_seconds=0.02", "long_hop_seconds=0.02 has no effect: it is for windows of more than 2 s"),
        ("long_fft_seconds=0.05", "long_fft_seconds=0.05 has no effect: it is for windows of more than 2 s"),
        ("fft_seconds=0.05 long_fft_seconds=0.05", "long_fft_seconds=0.05 has no effect: fft_seconds is set"),
        ("sample_rate=16000", "sample_rate=16000 is above the recordings' 8000 Hz: they hold nothing above 4000 Hz"),
        ("batch_size=64", "batch_size=64 becomes 24: the 24 clips that train are dealt out evenly"),
        ("batch_size=7", "batch_size=7 becomes 8: the 24 clips that train are dealt out evenly"),
        ("false_alarms=5%", "false_alarms=5% has no effect: it is for anomaly detectors"),
        ("features=chroma roll=0 n_mels=32", "n_mels=32 has no effect: it is for features mel and mfcc"),
        ("features=chroma scale=db", "scale=db has no effect: it is for features mel and stft"),
        ("features=mel,chroma mel_warp=0.2", "mel_warp=0.2 has no effect: features mel,chroma are not one frequency axis"),
        ("n_mfcc=13", "n_mfcc=13 has no effect: it is for features mfcc"),
        ("image_range_db=60", "image_range_db=60.0 has no effect: image_height is 0"),
        ("network=bands width=0.5", "width=0.5 has no effect: network bands has no width"),
    ],
)  # fmt: skip
def test_a_setting_that_does_less_than_it_says_is_named(tones: Path, changes: str, told: str) -> None:
    found = notes(tones, *changes.split())
    assert [note for note in found if note.startswith(told)], found


def test_settings_that_a_detector_does_not_use_are_named(tones: Path) -> None:
    found = notes(tones, "epochs=3", "lr=0.1", "n_mels=32", name="anomaly", task="anomaly", normal="low")
    assert found == [f"{x} has no effect: an anomaly detector trains no network" for x in ("epochs=3", "lr=0.1")]


def test_settings_of_ones_own_recipe_that_the_model_has_settled_are_named(
    tones: Path, trained: earmark.Result, tmp_path: Path
) -> None:
    own = tmp_path / "own.toml"
    own.write_text("epochs = 1\nn_mels = 48\nwidth = 2.0\n")
    options = TrainOptions(recipe=str(own), base=trained.path)
    (job,) = plan(tones, DataOptions(**SOURCE), options, holdout(options, None, None))
    told = "the model to continue from fixes n_mels, width: the recipe's values are not used"
    assert told in remarked(job).split.notes
    assert job.recipe.n_mels == 32


def test_the_published_validation_set_is_taken_as_it_is(tones: Path, tmp_path: Path) -> None:
    paths = sorted(tones.rglob("*.wav"))
    rows = [
        f"{p},{p.parent.name},{('train', 'train', 'train', 'valid', 'test')[i // 2 % 5]}" for i, p in enumerate(paths)
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label,split", *rows]) + "\n")
    options = TrainOptions(settings=["patience=2", "epochs=5", "validation=0.5"])
    (job,) = plan(tmp_path / "metadata.csv", DataOptions(), options, holdout(options, None, None))
    assert "validation=0.5 has no effect: the published valid split is the validation set" in remarked(job).split.notes


def test_tune_judges_on_the_share_that_is_set(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    from earmark.workflow import tuning

    judged: list[int] = []

    def score(job: tuning.Job, changes: list[str], place: Path) -> float:
        judged.append(len(job.split.test))
        return 0.5

    monkeypatch.setattr(tuning, "_score", score)
    for name, settings in (("a", TINY), ("b", (*TINY, "validation=0.1"))):
        options = {"settings": settings}
        found = earmark.tune(tones, tmp_path / name, trials=2, search=["lr"], **SOURCE, **options)
        text = (found.path / "tuned.toml").read_text()
        assert all(f"{key} = " in text for key in ("epochs", "epochs_a_label", "min_steps"))
        written = recipe.load(str(found.path / "tuned.toml"))
        assert fitting.epochs(written, 24, 3) == 10
    assert judged[0] > judged[2] > 0


def test_validation_that_is_asked_for_draws_curves_and_chooses_nothing(tones: Path, tmp_path: Path) -> None:
    result = earmark.train(tones, tmp_path / "model", settings=(*TINY, "epochs=3"), validation=0.25, **SOURCE)
    assert list(result.history.columns) == ["epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy"]
    assert len(result.history) == 3  # it stops nothing
    said = result.model.spec.provenance
    assert (
        said["data"]["valid"] == 6
        and "6 of the other clips, by whole groups, were held out of training for validation"
        in said["split"]["protocol"]
    )


@pytest.mark.parametrize(("clips", "groups", "drawn"), [(240, 48, 10), (240, 30, 0), (150, 75, 0)])
def test_curves_are_drawn_by_default_where_clips_are_plenty(clips: int, groups: int, drawn: int) -> None:
    names = [f"{label}{i}" for label in "ab" for i in range(clips)]
    table = pd.DataFrame({"path": [f"{n}.wav" for n in names], "label": [n[0] for n in names]})
    table["group"] = [f"g{int(n[1:]) % groups}" for n in names]
    manifest = Manifest.of(table, Path("/data"))
    nothing = np.zeros(0, np.int64)
    split = Split(np.arange(len(table)), nothing, nothing, "all", "all")
    options = TrainOptions()
    found = planning._with_validation(split, manifest, classification, recipe.load(), options, None)
    assert len(found.valid) == drawn * 2 if drawn else not len(found.valid)
    valid, train = (set(table["group"].iloc[rows]) for rows in (found.valid, found.train))
    assert not valid & train
    assert ("for validation curves" in found.protocol) == bool(drawn)
