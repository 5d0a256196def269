"""Fitting a classifier. The only room that imports lightning."""

from __future__ import annotations

import copy
import csv
import ctypes
import platform
import signal
import statistics
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch import callbacks, loggers
from numpy.typing import NDArray

from earmark.errors import Interrupted, SettingsError
from earmark.networks.classifier import Classifier
from earmark.support.files import saving
from earmark.support.progress import quiet
from earmark.training import checkpoints
from earmark.training.batches import Features, batch_count
from earmark.training.settings import Recipe
from earmark.training.steps import Fitting, crop_frames, epochs, lay_out, steps, why_epochs
from earmark.training.watchers import Checkpoint, History, MovingAverage, ProgressBar

__all__ = [
    "CHECKPOINT",
    "batch_count",
    "check",
    "crop_frames",
    "epochs",
    "fit",
    "history",
    "resolve_device",
    "seconds",
    "uses_bf16",
    "why_epochs",
]

CHECKPOINT = "last.ckpt"
_BEST = "best.ckpt"
_HISTORY = "metrics.csv"
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)


def fit(
    classifier: Classifier,
    train: tuple[Features, NDArray[np.int64]],
    valid: tuple[Features, NDArray[np.int64]] | None,
    recipe: Recipe,
    *,
    window_frames: int,
    folder: Path,
    seed: int,
    device: str = "auto",
    resume: bool = False,
    teacher: Classifier | None = None,
) -> int:
    """Train a classifier in place.

    Parameters
    ----------
    classifier : Classifier
        Its front end's statistics are set already.
    train, valid : tuple of Features and ndarray of int64, shape (clip,)
        Spectrograms and numbers of labels, or which labels each clip has, shape (clip, class); ``valid`` draws its curves and, if
        the recipe has patience, stops training.
    recipe : Recipe
    window_frames : int
        Frames of the model's window.
    folder : Path
        Takes checkpoints and logs.
    seed : int
        Of the order, the crops, the augmentation and dropout; the weights were drawn before.
    device : {"auto", "cpu", "cuda", "mps"}
    resume : bool
        Go on from the checkpoint in ``folder``; the outcome equals that of an unbroken run.
    teacher : Classifier, optional
        What it says of each batch becomes ``recipe.distill`` of the target; trained on the same clips with the same front end.

    Returns
    -------
    int
        Epochs trained.

    Raises
    ------
    Interrupted
        After Ctrl-C; the last checkpoint is in ``folder``.
    DiskError
        Where the disk refuses a checkpoint or a log; the checkpoint before it is in ``folder``.
    OutputError
        Where the checkpoint to resume from is damaged.
    """
    _keep_memory()
    module = Fitting(classifier, train, valid, recipe, window_frames, seed, teacher)
    total = epochs(recipe, len(train[1]), classifier.head.out_features)
    history = History(folder / "logs" / _HISTORY)
    watchers: list[Any] = [history, ProgressBar()]
    average = MovingAverage(recipe.ema, module.total_steps) if recipe.ema else None
    if average is not None:
        watchers.append(average)
    if valid is not None and recipe.patience:
        watchers += [
            callbacks.ModelCheckpoint(
                dirpath=folder, filename="best", monitor="valid_loss", enable_version_counter=False
            ),
            callbacks.EarlyStopping("valid_loss", patience=recipe.patience),
        ]
    accelerator, last = resolve_device(device), Checkpoint(folder / CHECKPOINT)
    checkpoint = folder / CHECKPOINT if resume else None
    with quiet("lightning.pytorch"), warnings.catch_warnings(), saving(folder):
        # Remarks on loaders and hardware, which are ours to decide.
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            accelerator={"cuda": "gpu"}.get(accelerator, accelerator),
            devices=1,
            precision="bf16-mixed" if uses_bf16(recipe, accelerator) else "32-true",
            max_epochs=total,
            logger=loggers.TensorBoardLogger(folder, name="logs", version=""),
            callbacks=[*watchers, last],
            plugins=[checkpoints.Checkpoints()],
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            log_every_n_steps=1_000_000,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        if checkpoint is not None:
            checkpoints.check(checkpoint, module, watchers, trainer.fit_loop.state_dict())
        with checkpoints.restoring(checkpoint, last.begun):
            _run(trainer, module, checkpoint)
        history.write()  # also of a run that was broken off after its last epoch, of which no more is trained
        if average is not None:
            average.put_into(module)
        if valid is not None and recipe.patience:
            _take_best(module, folder / _BEST)
    lay_out(classifier.to("cpu"), torch.contiguous_format).eval()
    return int(trainer.current_epoch)


def seconds(classifier: Classifier, recipe: Recipe, *, clips: int, window_frames: int, device: str = "auto") -> float:
    """Estimated duration of `fit` on this machine as busy as it is, from a few timed steps on a copy."""
    _keep_memory()
    accelerator = resolve_device(device)
    module = lay_out(copy.deepcopy(classifier).to(accelerator), torch.channels_last).train()
    size = min(recipe.batch_size, clips)
    rows = torch.zeros(size, 1, classifier.front_end.row_count, crop_frames(classifier, recipe, window_frames))
    with torch.inference_mode():
        shape = classifier.front_end.stack(rows).shape
    x = torch.zeros(shape, device=accelerator)
    timed = []
    for _ in range(4):
        begin = time.perf_counter()
        with torch.autocast(accelerator, dtype=torch.bfloat16, enabled=uses_bf16(recipe, accelerator)):
            loss = module.classify(x)[0].logsumexp(1).mean()
        torch.autograd.backward(loss)
        if accelerator == "cuda":
            torch.cuda.synchronize()
        timed.append(time.perf_counter() - begin)
    taught = recipe.teachers * (1 / classifier.members + 1 / 3)  # they are trained, then asked by every member
    return (
        statistics.median(timed[1:])
        * 1.3
        * (1 + taught)
        * epochs(recipe, clips, classifier.head.out_features)
        * steps(recipe, clips)
    )


def resolve_device(device: str) -> str:
    """``auto`` to what this machine has.

    Raises
    ------
    SettingsError
        For an unknown device, or one that this machine lacks.
    """
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present.get(device, False):
        raise SettingsError(
            f"device={device!r} is not available here; choose {', '.join(d for d in present if present[d])} or auto"
        )
    return device


def uses_bf16(recipe: Recipe, device: str) -> bool:
    """Whether to train in bfloat16: it pays where the processor computes in it, and is several times slower elsewhere."""
    if recipe.precision != "auto":
        return recipe.precision == "bf16"
    if device == "cpu":
        can = torch.cpu.get_capabilities()
        return bool(can.get("avx512_bf16") or can.get("amx_bf16"))
    return device == "cuda" and torch.cuda.is_bf16_supported()


def check(folder: Path) -> None:
    """Refuse early to resume from a checkpoint that is damaged.

    Raises
    ------
    OutputError
        One line with the remedy.
    """
    if (folder / CHECKPOINT).exists():
        checkpoints.read(folder / CHECKPOINT)


def history(folder: Path) -> list[dict[str, float]]:
    """What was logged in each epoch: ``train_loss``, ``train_accuracy``, and the same of ``valid`` if there is such a part."""
    with (folder / "logs" / _HISTORY).open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _keep_memory() -> None:
    """Have the allocator keep what a step sets free for the next one, where it is glibc's.

    Else it gives large blocks back to the system, which hands them out again page by page in every step: an eighth to a fifth of
    the time of training. The most that is held at once stays the same.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, 1 << 25)  # the most that it takes
        library.mallopt(_TRIM_THRESHOLD, (1 << 31) - 1)


def _take_best(module: lightning.LightningModule, path: Path) -> None:
    """The weights of the best epoch."""
    best = checkpoints.read(path, ["state_dict"])
    with checkpoints.restoring(path, ()):
        module.load_state_dict(best["state_dict"])


def _run(trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: Path | None) -> None:
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as error:
        # Lightning turns Ctrl-C into an exit; the caller decides what to do about it.
        raise Interrupted("interrupted") from error
    finally:
        if main and handler is not None:
            signal.signal(signal.SIGINT, handler)
