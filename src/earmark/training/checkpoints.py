"""The state of a run on disk: written beside the last one and renamed, checked before it is used."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import callbacks
from lightning.pytorch.plugins.io import CheckpointIO

from earmark.errors import EarmarkError, OutputError
from earmark.support.files import atomic_file

log = logging.getLogger("earmark")

TORCH = "torch"
"""Key of the version of torch that wrote a checkpoint."""
_KEYS = ("state_dict", "loops", "callbacks", "optimizer_states", "lr_schedulers", "epoch", "global_step")
_AGAIN = "Give overwrite=True instead of resume=True to start again"


class Checkpoints(CheckpointIO):
    """Saves and loads checkpoints for Lightning, whose own way goes over the system's temporary folder.

    A checkpoint is complete or is not there: a full disk leaves the one before it as it was.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint to ``path``.

        Raises
        ------
        DiskError
            Where the disk refuses it; what was at ``path`` is as it was.
        """
        with atomic_file(path, durable=True) as temporary:
            content = io.BytesIO()  # to a path torch writes on its own, and reports a full disk as a RuntimeError
            torch.save({**checkpoint, TORCH: str(torch.__version__)}, content)
            temporary.write_bytes(content.getbuffer())

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """As `read`."""
        return read(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint, if it is there."""
        Path(path).unlink(missing_ok=True)


def read(path: str | Path, keys: Sequence[str] = _KEYS) -> dict[str, Any]:
    """Content of a checkpoint.

    Raises
    ------
    OutputError
        Where it is missing, damaged or not of a run of Earmark: one line with the remedy.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise OutputError(f"{path}: is missing, so that the run cannot be resumed. {_AGAIN}.") from error
    except OSError as error:
        raise OutputError(f"{path}: cannot be read: {error.strerror or error}. Check its permissions.") from error
    except Exception as error:
        # What a damaged file makes torch raise depends on where it is damaged.
        raise OutputError(f"{path}: is damaged, or of another version of torch ({_words(error)}). {_AGAIN}.") from error
    if not isinstance(found, dict) or (missing := [key for key in keys if key not in found]):
        lacks = f"it lacks {', '.join(missing)}" if isinstance(found, dict) else f"it holds a {type(found).__name__}"
        raise OutputError(f"{path}: is not a checkpoint of a training run: {lacks}. {_AGAIN}.")
    return found


def check(path: Path, module: lightning.LightningModule, watchers: Iterable[Any], progress: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that does not belong to this run before anything is restored from it.

    Parameters
    ----------
    path : Path
    module : LightningModule
        Before it is restored.
    watchers : iterable of Callback
        Those whose state must be in it.
    progress : mapping
        State of Lightning's loop before it is restored.

    Raises
    ------
    OutputError
        One line with the remedy.
    """
    found = read(path)
    own = {name: tensor.shape for name, tensor in module.state_dict().items()}
    known = found["state_dict"]
    if not isinstance(known, dict) or own != {name: getattr(value, "shape", None) for name, value in known.items()}:
        raise OutputError(f"{path}: its weights are not those of this network. {_AGAIN}.")
    wanted = [w.state_key for w in watchers if isinstance(w, callbacks.Callback) and w.state_dict()]
    states = found["callbacks"]
    if not isinstance(states, dict) or (missing := [key for key in wanted if key not in states]):
        lacks = ", ".join(key.partition("{")[0] for key in missing) if isinstance(states, dict) else "all"
        raise OutputError(f"{path}: lacks the state of {lacks}. {_AGAIN}.")
    loop = found["loops"].get("fit_loop") if isinstance(found["loops"], dict) else None
    if not isinstance(loop, dict) or loop.keys() != progress.keys():
        raise OutputError(
            f"{path}: lacks the progress of the run, or was saved by another version of lightning. {_AGAIN}."
        )
    if not all(isinstance(found[key], list) and len(found[key]) == 1 for key in ("optimizer_states", "lr_schedulers")):
        raise OutputError(f"{path}: lacks the state of the optimizer or of its schedule. {_AGAIN}.")
    before, now = str(found.get(TORCH, torch.__version__)), str(torch.__version__)
    if before != now:
        log.info(
            "note      the run was begun with torch %s and goes on with %s: its result may differ from that of an unbroken run",
            before, now,
        )  # fmt: skip


@contextmanager
def restoring(path: Path | None, begun: Sequence[int]) -> Iterator[None]:
    """Say in one line what is wrong with a checkpoint that cannot be restored.

    Parameters
    ----------
    path : Path or None
        The checkpoint; None where nothing is restored.
    begun : sequence of int
        Not empty once training has begun, after which an error is none of the checkpoint's.
    """
    try:
        yield
    except EarmarkError:
        raise
    except Exception as error:
        if path is None or begun:
            raise
        raise OutputError(f"{path}: cannot be restored ({_words(error)}). {_AGAIN}.") from error


def _words(error: Exception) -> str:
    """The first sentence of an error, without what torch adds for its developers."""
    text = str(error).strip().splitlines()
    first = " ".join(text[0].split()).partition(". ")[0][:120].rstrip(".") if text else ""
    return f"{type(error).__name__}: {first}" if first else type(error).__name__
