"""What happens beside the steps: figures per epoch, checkpoints, a progress bar."""

from __future__ import annotations

import csv
import time
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import callbacks
from torch import Tensor, nn

from earmark.support.files import atomic_file, make_folder
from earmark.support.progress import Progress

SAVE_SECONDS = 10.0
"""What an interruption may lose, at most, beside the epoch it falls into."""


class History(callbacks.Callback):
    """Writes a row of figures per epoch as CSV; what came before a resumed run is in its checkpoint."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        figures = {k: float(v) for k, v in sorted(trainer.callback_metrics.items())}
        self._rows.append({"epoch": trainer.current_epoch, **figures})
        self.write()

    def write(self) -> None:
        """Write the table, if there is a row."""
        if not self._rows:
            return
        make_folder(self._path.parent)
        with atomic_file(self._path) as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self._rows[-1]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(self._rows)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self._rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._rows = state_dict["rows"]


class Checkpoint(callbacks.Checkpoint):
    """Saves the run at the end of an epoch, seldom enough to cost nothing.

    Lightning calls checkpoints after all else, so that what early stopping has counted is saved with the epoch that it belongs to.
    The epoch that stops the run is not saved: a resumed run comes to that by itself.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._saved = -SAVE_SECONDS  # so that there is soon something to resume from
        self.begun: list[int] = []
        """The epoch in which training began, once it has: all was restored then."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self.begun.append(trainer.current_epoch)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        if not trainer.should_stop and time.monotonic() - self._saved >= SAVE_SECONDS:
            trainer.save_checkpoint(self._path)
            self._saved = time.monotonic()


class MovingAverage(callbacks.Callback):
    """Keeps an exponential moving average of the weights (as in Tarvainen and Valpola 2017, arXiv 1703.01780).

    It remembers the last ``share`` of the run; before that, all weights since the beginning. Statistics of batch normalisation are
    averaged too.
    """

    def __init__(self, share: float, steps: int) -> None:
        self._least = 1 / max(1.0, share * steps)
        self._now: list[Tensor] = []
        self._mean: list[Tensor] = []

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._now = _numbers(pl_module)
        if self._mean:  # of the run that is resumed
            self._mean = [mean.to(now.device) for mean, now in zip(self._mean, self._now, strict=True)]
        else:
            self._mean = [now.clone() for now in self._now]

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        torch._foreach_lerp_(self._mean, self._now, max(self._least, 1 / (1 + trainer.global_step)))

    def put_into(self, module: nn.Module) -> None:
        """Replace the weights by their averages; after the training, since a checkpoint holds both."""
        weights = _numbers(module)
        torch._foreach_copy_(weights, [mean.to(now.device) for mean, now in zip(self._mean, weights, strict=True)])

    def state_dict(self) -> dict[str, Any]:
        return {"mean": self._mean}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._mean = state_dict["mean"]


def _numbers(module: nn.Module) -> list[Tensor]:
    """Weights and statistics of a module, as it holds them."""
    return [t.detach() for t in module.state_dict().values() if t.is_floating_point()]


class ProgressBar(callbacks.Callback):
    """How far the whole run is, with the loss and accuracy of the last epoch."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._progress = Progress("training", trainer.max_epochs, unit="epochs", done=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        assert self._progress is not None
        figures = {k: float(v) for k, v in trainer.callback_metrics.items()}
        named = (
            ("train_loss", "loss"), ("train_accuracy", "accuracy"),
            ("valid_loss", "validation loss"), ("valid_accuracy", "validation accuracy"),
        )  # fmt: skip
        self._progress.update(
            trainer.current_epoch + 1, ", ".join(f"{name} {figures[key]:.3f}" for key, name in named if key in figures)
        )

    def on_train_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        self._stop()

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._progress is not None:
            self._progress.close()
            self._progress = None
