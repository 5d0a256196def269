"""Fitting a classifier. The only room that imports lightning."""

from __future__ import annotations

import copy
import csv
import signal
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
from torch import Tensor
from torch.nn import functional as F

from earmark import augment
from earmark.classifier import Classifier
from earmark.dataset import Batches, Features
from earmark.errors import Interrupted, SettingsError
from earmark.progress import quiet
from earmark.recipe import Recipe
from earmark.training.watchers import Checkpoint, History, ProgressBar

CHECKPOINT = "last.ckpt"
_BEST = "best.ckpt"
_HISTORY = "metrics.csv"


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

    Returns
    -------
    int
        Epochs trained.

    Raises
    ------
    Interrupted
        After Ctrl-C; the last checkpoint is in ``folder``.
    """
    module = _Fitting(classifier, train, valid, recipe, window_frames, seed)
    total = epochs(recipe, len(train[1]))
    watchers: list[Any] = [History(folder / "logs" / _HISTORY), ProgressBar()]
    if valid is not None and recipe.patience:
        watchers += [
            callbacks.ModelCheckpoint(
                dirpath=folder, filename="best", monitor="valid_loss", enable_version_counter=False
            ),
            callbacks.EarlyStopping("valid_loss", patience=recipe.patience),
        ]
    accelerator = resolve_device(device)
    with quiet("lightning.pytorch"), warnings.catch_warnings():
        # Remarks on loaders and hardware, which are ours to decide.
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            accelerator={"cuda": "gpu"}.get(accelerator, accelerator),
            devices=1,
            precision="bf16-mixed" if uses_bf16(recipe, accelerator) else "32-true",
            max_epochs=total,
            logger=loggers.TensorBoardLogger(folder, name="logs", version=""),
            callbacks=[*watchers, Checkpoint(folder / CHECKPOINT)],
            reload_dataloaders_every_n_epochs=1,
            num_sanity_val_steps=0,
            log_every_n_steps=1_000_000,
            enable_progress_bar=False,
            enable_checkpointing=valid is not None and bool(recipe.patience),
            enable_model_summary=False,
        )
        _run(trainer, module, str(folder / CHECKPOINT) if resume else None)
        if valid is not None and recipe.patience:
            best = torch.load(folder / _BEST, weights_only=True)
            module.load_state_dict(best["state_dict"])
    _lay_out(classifier.to("cpu"), torch.contiguous_format).eval()
    return int(trainer.current_epoch)


def epochs(recipe: Recipe, clips: int) -> int:
    """Passes over the training clips: the recipe's, or as many as its least number of steps takes."""
    return max(recipe.epochs, -(-recipe.min_steps // _steps(recipe, clips)))


def seconds(classifier: Classifier, recipe: Recipe, *, clips: int, window_frames: int, device: str = "auto") -> float:
    """Estimated duration of `fit`, from a few timed steps on a copy."""
    accelerator = resolve_device(device)
    module = _lay_out(copy.deepcopy(classifier).to(accelerator), torch.channels_last).train()
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
    return min(timed[1:]) * 1.3 * epochs(recipe, clips) * _steps(recipe, clips)


def crop_frames(classifier: Classifier, recipe: Recipe, window_frames: int) -> int:
    """Frames of the stretch that training sees; of a picture always the whole window, since it is resized as a whole.

    Raises
    ------
    SettingsError
        Where the stretch is too short for the front end.
    """
    front_end = classifier.front_end
    if recipe.crop_seconds == 0 or front_end.settings.image_width:
        return window_frames
    return min(window_frames, front_end.frames(round(recipe.crop_seconds * front_end.sr), setting="crop_seconds"))


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
            f"--device {device} is not to be had here; choose {', '.join(d for d in present if present[d])} or auto"
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


def history(folder: Path) -> list[dict[str, float]]:
    """What was logged in each epoch: ``train_loss``, ``train_accuracy``, and the same of ``valid`` if there is such a part."""
    with (folder / "logs" / _HISTORY).open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


class _Fitting(lightning.LightningModule):
    """The loop's view of a classifier."""

    def __init__(
        self,
        classifier: Classifier,
        train: tuple[Features, NDArray[np.int64]],
        valid: tuple[Features, NDArray[np.int64]] | None,
        recipe: Recipe,
        window_frames: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.classifier = _lay_out(classifier, torch.channels_last)
        self._train, self._valid = train, valid
        self._recipe, self._seed = recipe, seed
        self._window_frames = window_frames
        self._total = epochs(recipe, len(train[1])) * _steps(recipe, len(train[1]))
        self._several = train[1].ndim == 2
        self._figures: list[Tensor] = []
        self._weights = (
            class_weights(train[1], classifier.head.out_features) if recipe.class_weights == "balanced" else None
        )

    def train_dataloader(self) -> Batches:
        features, targets = self._train
        frames = crop_frames(self.classifier, self._recipe, self._window_frames)
        return Batches(
            features,
            targets,
            frames=frames,
            batch_size=self._recipe.batch_size,
            seed=self._seed,
            epoch=self.current_epoch,
        )

    def val_dataloader(self) -> list[Batches]:
        if self._valid is None:
            return []
        return [Batches(*self._valid, frames=self._window_frames, batch_size=self._recipe.batch_size, seed=None)]

    def training_step(self, batch: tuple[Tensor, Tensor], step: int) -> Tensor:
        x, y = batch
        rng = np.random.default_rng([self._seed, self.current_epoch, step, 1])
        torch.default_generator.manual_seed(int(rng.integers(2**62)))  # dropout
        targets = y.float() if self._several else F.one_hot(y, self.classifier.head.out_features).float()
        x, targets = self._augmented(x, targets, rng)
        logits = self.classifier.classify(x.contiguous(memory_format=torch.channels_last))[0].float()
        loss = self._loss(logits, targets, smoothing=self._recipe.label_smoothing, weights=self._weights)
        accuracy = _agreement(logits, targets, several=self._several)
        # Logged once an epoch: Lightning's own mean costs milliseconds a step.
        self._figures.append(torch.stack([loss.detach(), accuracy]) * len(y))
        if step == self.trainer.num_training_batches - 1:
            mean = torch.stack(self._figures).sum(0) / len(self._train[1])
            self._figures.clear()
            self.log_dict(
                {"train_loss": mean[0], "train_accuracy": mean[1]}, on_step=False, on_epoch=True, batch_size=1
            )
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], step: int) -> None:
        x, y = batch
        logits = self.classifier.classify(self._finished(x))[0].float()
        targets = y.float() if self._several else F.one_hot(y, logits.shape[1]).float()
        accuracy = _agreement(logits, targets, several=self._several)
        self.log_dict({"valid_loss": self._loss(logits, targets), "valid_accuracy": accuracy}, batch_size=len(y))

    def _loss(
        self, logits: Tensor, targets: Tensor, *, smoothing: float = 0.0, weights: Tensor | None = None
    ) -> Tensor:
        """Cross-entropy; of each label by itself where a clip may have several."""
        weights = None if weights is None else weights.to(logits.device)
        if not self._several:
            return F.cross_entropy(logits, targets, weight=weights, label_smoothing=smoothing)
        smooth = targets * (1 - smoothing) + smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smooth, pos_weight=weights)

    def configure_optimizers(self) -> Any:
        recipe = self._recipe
        heard = {
            id(p) for p in self.classifier.front_end.parameters()
        }  # a front end's parameters have a meaning of their own
        decayed = [p for p in self.parameters() if p.ndim > 1 and id(p) not in heard]
        others = [p for p in self.parameters() if p.ndim <= 1 or id(p) in heard]
        groups = [{"params": decayed, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=True)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.lr, total_steps=self._total, pct_start=0.15)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        torch.nn.utils.clip_grad_norm_(self.parameters(), 2.0)

    def _augmented(self, x: Tensor, targets: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        recipe, front_end = self._recipe, self.classifier.front_end
        log = front_end.log_rows
        if recipe.roll:
            x = augment.roll(x, recipe.roll, rng)
        if recipe.time_stretch or recipe.mel_warp:
            x = augment.stretch(x, recipe.time_stretch, recipe.mel_warp if front_end.one_axis else 0.0, rng)
        if recipe.gain_db:
            x = augment.gain(x, recipe.gain_db, front_end.floor, rng, log=log)
        if recipe.mixup:
            x, targets = augment.mixup(x, targets, recipe.mixup, rng, log=log)
        x = augment.spec_augment(
            self._finished(x),
            time_masks=recipe.time_masks,
            time_mask=recipe.time_mask,
            frequency_masks=recipe.frequency_masks,
            frequency_mask=recipe.frequency_mask,
            rng=rng,
        )
        return x, targets

    def _finished(self, rows: Tensor) -> Tensor:
        """The front end's last steps."""
        front_end = self.classifier.front_end
        with torch.autocast(
            rows.device.type, enabled=False
        ):  # cepstra and differences need all digits, as in the bundle
            return front_end.standardise(front_end.stack(rows))


def _agreement(logits: Tensor, targets: Tensor, *, several: bool) -> Tensor:
    """Share of clips, or of single labels, that are right."""
    right = (logits > 0) == (targets > 0.5) if several else logits.argmax(1) == targets.argmax(1)
    return right.float().mean()


def class_weights(targets: NDArray[np.int64], classes: int) -> Tensor:
    """Weights that give every label the same share of the loss, with a mean of 1 over the clips, shape (class,).

    Where a clip may have several labels, how much more a label's presence counts than its absence.
    """
    if targets.ndim == 2:
        present = targets.sum(axis=0)
        return torch.from_numpy(((len(targets) - present) / np.maximum(present, 1)).clip(1, 50).astype(np.float32))
    counts = np.bincount(targets, minlength=classes)
    weights = np.where(counts > 0, len(targets) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0.0)
    return torch.from_numpy(weights.astype(np.float32))


def _steps(recipe: Recipe, clips: int) -> int:
    return max(1, round(clips / recipe.batch_size))


def _lay_out(classifier: Classifier, layout: torch.memory_format) -> Classifier:
    """Bring the convolutions' weights to a memory layout; channels last measured 1.3 times as fast in training on a CPU."""
    for parameter in classifier.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)
    return classifier


def _run(trainer: lightning.Trainer, module: lightning.LightningModule, checkpoint: str | None) -> None:
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
