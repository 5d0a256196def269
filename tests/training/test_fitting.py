from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from safetensors.numpy import load_file

import earmark
from conftest import TINY
from earmark import tasks
from earmark.audio import windows
from earmark.bundle import BundleSpec
from earmark.data.cache import content_hash
from earmark.errors import SettingsError
from earmark.networks.classifier import Classifier
from earmark.training import fitting, recipe
from earmark.training.batches import Features
from earmark.training.settings import Recipe
from earmark.training.steps import Fitting
from earmark.training.watchers import MovingAverage

SOURCE = {"group_pattern": r"[^/]+/g\d+_"}


def weights(path: Path) -> dict[str, np.ndarray]:
    return load_file(path / "model.safetensors")


def test_same_seed_same_weights(tones: Path, trained: earmark.Result, tmp_path: Path) -> None:
    again = earmark.train(tones, tmp_path / "again", **SOURCE, settings=TINY)
    other = earmark.train(tones, tmp_path / "other", **SOURCE, settings=TINY, seed=1)
    first = weights(trained.path)
    assert all(np.array_equal(first[k], v) for k, v in weights(again.path).items())
    assert not all(np.array_equal(first[k], v) for k, v in weights(other.path).items())


def test_a_resumed_run_equals_an_unbroken_one(
    tones: Path, trained: earmark.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Fitting.train_dataloader

    def interrupt(self: Fitting) -> object:
        if self.current_epoch == 3:
            raise KeyboardInterrupt
        return begin(self)

    out, options = tmp_path / "model", {"settings": TINY}
    monkeypatch.setattr(Fitting, "train_dataloader", interrupt)
    with pytest.raises(earmark.Interrupted, match="holds the last checkpoint: run it again with resume=True"):
        earmark.train(tones, out, **SOURCE, **options)
    monkeypatch.setattr(Fitting, "train_dataloader", begin)
    assert not out.exists()
    with pytest.raises(earmark.OutputError, match="holds an interrupted run"):
        earmark.train(tones, out, **SOURCE, **options)
    with pytest.raises(earmark.OutputError, match="had other data or settings"):
        earmark.train(tones, out, **SOURCE, settings=TINY, seed=5, resume=True)
    for other in (
        {"settings": (*TINY, "lr=0.01")},
        {"settings": (*TINY, "window_seconds=0.4")},
        {"settings": TINY, "test_fold": "2"},
    ):
        fold = other.pop("test_fold", None)
        with pytest.raises(earmark.OutputError, match="had other data or settings"):
            earmark.train(tones, out, **SOURCE, test_fold=fold, **other, resume=True)
    resumed = earmark.train(tones, out, **SOURCE, settings=TINY, resume=True)
    unbroken = weights(trained.path)
    assert all(np.array_equal(unbroken[k], v) for k, v in weights(resumed.path).items())
    assert len(fitting.history(resumed.path)) == 10
    assert not (tmp_path / "model.partial").exists()


@pytest.mark.parametrize(
    "settings",
    [
        ("features=mfcc,chroma", "deltas=2", "roll=0"),  # contrast has a test of its own
        ("features=stft", "scale=magnitude"),
        ("image_height=32", "image_width=48", "network=plain", "crop_seconds=0"),
    ],
)
def test_other_front_ends_learn_and_are_exported(tones: Path, tmp_path: Path, settings: tuple[str, ...]) -> None:
    result = earmark.train(tones, tmp_path / "model", **SOURCE, settings=(*TINY, "epochs=12", *settings))
    assert result.metrics["accuracy"] >= 2 / 3  # of six clips; the export compared torch with ONNX Runtime


def test_contrast_learns_and_is_exported(make_tones: Callable[..., Path], tmp_path: Path) -> None:
    data = make_tones()
    rng = np.random.default_rng(0)
    for path in data.rglob("*.wav"):  # as recordings have it: beside a tone alone, contrast is rounding
        samples, sr = soundfile.read(path)
        soundfile.write(path, samples + 1e-3 * rng.normal(size=len(samples)), sr)
    settings = (*TINY, "epochs=12", "features=mfcc,chroma,contrast", "deltas=2", "roll=0")
    result = earmark.train(data, tmp_path / "model", **SOURCE, settings=settings)
    assert result.metrics["accuracy"] >= 2 / 3


@pytest.mark.parametrize(
    "settings",
    [
        ("members=2", "ema=0.2"),
        ("teachers=2", "distill=0.8"),
        ("cutmix=0.5", "filter_db=6", "mixstyle=0.5", "noise=0.3", "reverb=0.3"),
        ("sampler=balanced", "focal=2", "bootstrap=0.2"),
    ],
)
def test_ideas_learn_and_are_exported(tones: Path, tmp_path: Path, settings: tuple[str, ...]) -> None:
    options = {"settings": (*TINY, "epochs=12", *settings)}
    result = earmark.train(tones, tmp_path / "model", **SOURCE, **options)
    assert result.metrics["accuracy"] >= 2 / 3
    members = earmark.load(result.path).spec.network["members"]
    assert members == (2 if "members=2" in settings else 1)
    assert weights(result.path)["head.weight"].shape[1] == 128 * members


def test_the_mean_of_the_members_is_what_is_exported() -> None:
    front_end = {"fft_seconds": 0.032, "hop_seconds": 0.01, "n_mels": 32, "fmin": 50, "fmax": 4000, "floor": 1e-6}
    network = {"name": "resnet", "width": 0.25, "members": 3}
    classifier = Classifier(BundleSpec(("a", "b"), network, 8_000, 1.0, 0.5, front_end)).eval()
    features = torch.rand(4, 1, 32, 60)
    logits, _ = classifier.classify(features)
    each = torch.stack([classifier.logits_of_member(member, features) for member in range(3)])
    assert each.shape == (3, 4, 2)
    assert torch.allclose(each.mean(0), logits, atol=1e-6)
    assert not torch.allclose(each[0] - each[0].mean(), each[1] - each[1].mean(), atol=1e-5)


def test_averaged_weights_forget_the_first_and_weigh_the_last_most() -> None:
    def averaged(share: float, values: np.ndarray) -> float:
        module = torch.nn.Linear(1, 1, bias=False)
        average = MovingAverage(share, steps=len(values))
        average.on_train_start(SimpleNamespace(), module)
        for step, value in enumerate(values, start=1):
            torch.nn.init.constant_(module.weight, float(value))
            average.on_train_batch_end(SimpleNamespace(global_step=step), module, None, None, step)
        average.put_into(module)
        return module.weight.item()

    late = np.arange(200) >= 100
    assert averaged(0.01, late) > 0.999  # remembers two steps
    assert 0.9 < averaged(0.2, late) < 0.95  # 40 steps, of the last 100: 1 - exp(-100 / 40)
    assert averaged(1.0, late) == pytest.approx(0.5, abs=0.01)  # the mean of all
    assert averaged(0.05, np.full(50, 3.0)) == pytest.approx(3.0)


def test_a_run_broken_off_after_its_last_step_keeps_its_averages(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*TINY, "epochs=2", "ema=0.5")
    unbroken = earmark.train(tones, tmp_path / "whole", **SOURCE, settings=settings)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("earmark.training.watchers.SAVE_SECONDS", 0.0)
        broken.setattr("earmark.export.write_model", interrupt)
        with pytest.raises(KeyboardInterrupt):
            earmark.train(tones, tmp_path / "model", **SOURCE, settings=settings)
    again = {"settings": settings, "resume": True}
    resumed = earmark.train(tones, tmp_path / "model", **SOURCE, **again)
    first = weights(unbroken.path)
    assert all(np.array_equal(first[k], v) for k, v in weights(resumed.path).items())


def test_mixing_rests_at_the_end(tones: Path, tmp_path: Path) -> None:
    found = {}
    for name, mixing in {
        "never": ("mixup=0",),
        "rests": ("mixup=1", "cutmix=0.5", "unmixed=1"),
        "half": ("mixup=1", "cutmix=0.5", "unmixed=0.5"),
        "always": ("mixup=1", "cutmix=0.5"),
    }.items():
        options = {"settings": (*TINY, "epochs=2", *mixing)}
        found[name] = weights(earmark.train(tones, tmp_path / name, **SOURCE, **options).path)["head.weight"]
    assert np.array_equal(found["never"], found["rests"])
    assert not np.array_equal(found["never"], found["half"])
    assert not np.array_equal(found["always"], found["half"])


def test_teachers_count_by_their_share_of_the_target(tones: Path, tmp_path: Path) -> None:
    def trained(name: str, *settings: str) -> dict[str, np.ndarray]:
        options = {"settings": (*TINY, "epochs=2", *settings)}
        return weights(earmark.train(tones, tmp_path / name, **SOURCE, **options).path)

    alone, unheard = trained("alone"), trained("unheard", "teachers=1", "distill=0")
    heard = trained("heard", "teachers=1", "distill=0.5")
    assert all(np.allclose(alone[k], v, atol=1e-5) for k, v in unheard.items())
    assert not all(np.allclose(alone[k], v, atol=1e-3) for k, v in heard.items())


def test_resumed_runs_with_averages_and_teachers_equal_unbroken_ones(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = (*TINY, "epochs=4", "ema=0.3", "teachers=2")
    unbroken = earmark.train(tones, tmp_path / "whole", **SOURCE, settings=settings)
    begin, begun = Fitting.train_dataloader, []

    def interrupt(self: Fitting) -> object:
        begun.append(self.current_epoch)
        if len(begun) in (3, 8):  # once among the teachers' epochs, once among those of the network itself
            raise KeyboardInterrupt
        return begin(self)

    monkeypatch.setattr(Fitting, "train_dataloader", interrupt)
    for _ in range(2):
        with pytest.raises(earmark.Interrupted, match="holds the last checkpoint"):
            earmark.train(tones, tmp_path / "model", **SOURCE, settings=settings, resume=len(begun) > 0)
    resumed = earmark.train(tones, tmp_path / "model", **SOURCE, settings=settings, resume=True)
    first = weights(unbroken.path)
    assert all(np.array_equal(first[k], v) for k, v in weights(resumed.path).items())


@pytest.mark.parametrize("broken_off", ["training", "export"])
def test_resumed_runs_with_early_stopping_equal_unbroken_ones(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_off: str
) -> None:
    # Losses of validation as one wishes: the second epoch is the best, the fourth the last.
    def validate(self: Fitting, batch: Any, number: int) -> None:
        self.log("valid_loss", [1.0, 0.5, 0.6, 0.7, 0.8][self.current_epoch])

    monkeypatch.setattr(Fitting, "validation_step", validate)
    monkeypatch.setattr("earmark.training.watchers.SAVE_SECONDS", 0.0)
    settings = (*TINY, "epochs=5", "patience=2", "validation=0.25")
    unbroken = earmark.train(tones, tmp_path / "whole", **SOURCE, settings=settings)
    assert len(fitting.history(unbroken.path)) == 4
    begin = Fitting.train_dataloader

    def interrupt(self: Fitting) -> object:
        if self.current_epoch == 2:
            raise KeyboardInterrupt
        return begin(self)

    def interrupt_export(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        if broken_off == "training":
            broken.setattr(Fitting, "train_dataloader", interrupt)
        else:
            broken.setattr("earmark.export.write_model", interrupt_export)
        with pytest.raises((KeyboardInterrupt, earmark.Interrupted)):
            earmark.train(tones, tmp_path / "model", **SOURCE, settings=settings)
    again = {"settings": settings, "resume": True}
    resumed = earmark.train(tones, tmp_path / "model", **SOURCE, **again)
    first = weights(unbroken.path)
    assert all(np.array_equal(first[k], v) for k, v in weights(resumed.path).items())
    assert len(fitting.history(resumed.path)) == 4


def test_a_trained_front_end_is_trained(tones: Path, tmp_path: Path) -> None:
    settings = (*TINY, "epochs=12", "scale=pcen-trained")
    result = earmark.train(tones, tmp_path / "model", **SOURCE, settings=settings)
    found = weights(result.path)
    for name, begin in (("gain", 0.98), ("bias", 2.0), ("power", 0.5)):
        values = np.exp(found[f"front_end.finishes.0.pcen.{name}"])
        assert values.shape == (32, 1)
        assert 1e-4 < np.abs(values - begin).max() < 0.2


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_leaves_a_state_to_resume_from_and_says_so(tones: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    command = [
        sys.executable,
        "-m",
        "earmark.cli",
        "train",
        str(tones),
        "--out",
        str(out),
        "--group-pattern",
        r"[^/]+/g\d+_",
    ]
    for setting in (*TINY, "epochs=100000"):
        command += ["--set", setting]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    checkpoint = tmp_path / "model.partial" / fitting.CHECKPOINT
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "--resume" in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert checkpoint.exists() and not out.exists()


def test_early_stopping_takes_its_own_part_of_the_training_groups(tones: Path, tmp_path: Path) -> None:
    settings = (*TINY, "epochs=60", "patience=2", "validation=0.25")
    result = earmark.train(tones, tmp_path / "model", **SOURCE, settings=settings)
    history = fitting.history(result.path)
    assert len(history) < 60
    assert {"train_loss", "train_accuracy", "valid_loss", "valid_accuracy"} <= set(history[0])
    data = earmark.load(result.path).spec.provenance["data"]
    assert data["train"] + data["valid"] + data["test"] == 30
    assert data["valid"] > 0


def test_the_epoch_is_chosen_on_the_validation_part(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[list[str]] = []

    def features(front_end: Any, clips: Any, *rest: Any) -> Features:
        handed.append([clips.hashes[i] for i in range(len(clips.manifest))])
        return Features(front_end, clips, *rest)

    monkeypatch.setattr("earmark.workflow.network.Features", features)
    settings = (*TINY, "epochs=1", "patience=2", "validation=0.25")
    result = earmark.train(tones, tmp_path / "model", **SOURCE, settings=settings)
    tested = {content_hash(tones / path) for path in pd.read_csv(result.path / "predictions.csv")["path"]}
    train, valid = map(set, handed)
    assert train and valid and tested and not (train & valid or train & tested or valid & tested)
    assert len(train | valid | tested) == 30


def test_class_weights_give_every_label_the_same_share() -> None:
    targets = np.array([0] * 6 + [1] * 2 + [3] * 4)
    found = tasks.network("classification").class_weights(targets, 4).numpy()
    assert found[2] == 0
    assert found * np.bincount(targets, minlength=4) == pytest.approx([4, 4, 0, 4])
    assert found[targets].mean() == pytest.approx(1)


def task_of(targets: np.ndarray) -> tasks.NetworkTask:
    return tasks.network("multilabel" if targets.ndim == 2 else "classification")


def test_validation_judges_clips_by_all_their_windows() -> None:
    logits, clip = torch.randn(4, 3), torch.tensor([0, 0, 0, 1])
    for rule, targets in (("mean", np.array([0, 1, 2])), ("max", np.eye(3, dtype=np.int64))):
        task = task_of(targets)
        of_windows, of_clips = (task.activate(x).numpy() for x in (logits, task.merge_logits(logits, clip)))
        for i, found in enumerate(of_clips):  # as prediction merges
            assert found == pytest.approx(windows.merge(of_windows[clip == i], rule), abs=1e-6)


def test_class_weights_do_not_change_what_is_best_to_say_of_a_clip() -> None:
    softened = torch.tensor([[0.9, 0.05, 0.05]])
    common, rare = np.array([0] * 50 + [1, 2]), np.array([[1, 0, 0]] * 50 + [[0, 1, 1]])
    for targets, best in ((common, softened.log()), (rare, softened.logit())):
        task, logits = task_of(targets), best.clone().requires_grad_()
        weights = task.class_weights(targets, 3)
        each = task.loss(logits, softened, smoothing=0, focal=0) * task.clip_weights(weights, torch.eye(3)[:1])
        each.mean().backward()
        assert logits.grad.abs().max() < 1e-6
    assert task.clip_weights(weights, torch.tensor([[0.0, 1.0, 0.0]])).tolist() == [[1, 50, 1]]


def test_focal_loss_of_a_small_power_has_a_slope_where_all_is_right() -> None:
    for targets in (np.array([0, 2]), np.array([[1, 0, 0], [0, 0, 1]])):
        logits = torch.tensor([[90.0, -90.0, -90.0], [-90.0, -90.0, 90.0]], requires_grad=True)
        wanted = torch.tensor([[1.0, 0, 0], [0, 0, 1]])
        task_of(targets).loss(logits, wanted, smoothing=0, focal=0.5).mean().backward()
        assert logits.grad.isfinite().all()


def test_small_data_sets_get_more_epochs() -> None:
    settings = Recipe(epochs=10, min_steps=1000, batch_size=32)
    assert fitting.epochs(settings, 320, 4) == 100
    assert fitting.epochs(settings, 32_000, 4) == 10


def test_focal_loss_weighs_each_clip_by_what_is_wrong() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
    for targets in (np.array([0, 2]), np.array([[1, 0, 1], [0, 1, 0]])):
        several = targets.ndim == 2
        task = task_of(targets)
        wanted = torch.from_numpy(targets).float() if several else torch.eye(3)[targets]
        right = logits.sigmoid() if several else logits.softmax(1)
        if several:
            each = -(wanted * right.log() + (1 - wanted) * (1 - right).log())
            right = torch.where(wanted > 0, right, 1 - right)
        else:
            right = (right * wanted).sum(1)
            each = -right.log()
        assert task.loss(logits, wanted, smoothing=0, focal=0).mean().item() == pytest.approx(
            each.mean().item(), rel=1e-5
        )
        assert task.loss(logits, wanted, smoothing=0, focal=2).mean().item() == pytest.approx(
            (each * (1 - right) ** 2).mean().item(), rel=1e-5
        )


def test_many_labels_get_more_epochs() -> None:
    settings = Recipe(epochs=40, epochs_a_label=0.5, min_steps=0, batch_size=32)
    assert [fitting.epochs(settings, 320, labels) for labels in (2, 50)] == [41, 65]


def test_device_and_precision() -> None:
    assert fitting.resolve_device("cpu") == "cpu"
    with pytest.raises(SettingsError, match="device='tpu' is not available here; choose cpu"):
        fitting.resolve_device("tpu")
    assert fitting.uses_bf16(Recipe(precision="bf16"), "cpu")
    assert not fitting.uses_bf16(Recipe(precision="float32"), "cpu")
    assert fitting.uses_bf16(Recipe(), "cpu") == bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def test_a_crop_is_of_the_window_and_of_a_picture_the_whole() -> None:
    def classifier(**front_end: object) -> Classifier:
        settings = {"fft_seconds": 0.032, "hop_seconds": 0.01, "n_mels": 32, "fmin": 50, "fmax": 4000, "floor": 1e-6}
        return Classifier(
            BundleSpec(("a", "b"), {"name": "resnet", "width": 0.5}, 8_000, 10.0, 5.0, {**settings, **front_end})
        )

    chosen = recipe.load("balanced")
    assert fitting.crop_frames(classifier(), chosen, 997) == 1 + (40_000 - 256) // 80
    assert fitting.crop_frames(classifier(image_height=64, image_width=64), chosen, 997) == 997
    with pytest.raises(SettingsError, match=r"crop_seconds is 0\.01; .* it must be 0\.032 at least"):
        fitting.crop_frames(classifier(), recipe.load("balanced", ["crop_seconds=0.01"]), 997)
