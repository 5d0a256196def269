"""Clips to training batches: through the front end once, cropped anew in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from earmark.audio.windows import WindowPlan
from earmark.data.clips import Clips
from earmark.frontend.front_end import FrontEnd
from earmark.support.files import saving
from earmark.support.progress import track


class Features:
    """The front end's rows of clips, before it stacks and standardises them, in one memory-mapped file of any size.

    Frames are not centred, so every window of a clip is a run of its frames.

    Parameters
    ----------
    front_end : FrontEnd
    clips : Clips
    plan : WindowPlan
        Clips shorter than its window are brought to its length first.
    folder : Path
        Where the file goes.
    """

    def __init__(self, front_end: FrontEnd, clips: Clips, plan: WindowPlan, folder: Path) -> None:
        count = len(clips.manifest)
        sizes, unpadded = [], []
        path = folder / "features.f32"
        with saving(folder), path.open("wb") as file, torch.inference_mode():
            for i in track(range(count), "spectrograms", count):
                clip = clips.waveform(i)
                waveform = torch.from_numpy(np.array(plan.fit(clip)))
                rows = front_end.rows(waveform[None])[0].numpy()
                sizes.append(len(rows))
                padded = plan.short_clip == "pad" and len(clip) < plan.window
                unpadded.append(-(-len(clip) // front_end.hop_length) if padded else len(rows))
                file.write(rows.tobytes())  # tofile() does not say that a disk is full
        self._ends = np.cumsum(np.array(sizes, np.int64))
        self._starts = self._ends - sizes
        self._unpadded = np.minimum(unpadded, sizes)  # frames before the zeros that a short clip is filled up with
        self._frames = np.memmap(path, np.float32, "r", shape=(int(self._ends[-1]), front_end.row_count))

    def __len__(self) -> int:
        return len(self._starts)

    def close(self) -> None:
        """Let go of the file, so that it can be removed on every platform."""
        del self._frames

    def statistics(self, front_end: FrontEnd, frames: int) -> tuple[Tensor, Tensor]:
        """Mean and deviation of each row over the clips' windows of ``frames`` frames, each of shape (channels, height)."""
        total = torch.zeros(2, front_end.channels, front_end.height, dtype=torch.float64)
        count = 0
        with torch.inference_mode():
            for clip in range(len(self)):
                for window in self.windows(clip, frames):
                    stacked = front_end.stack(window[None])[0].double()
                    total += torch.stack([stacked.sum(-1), stacked.square().sum(-1)])
                    count += stacked.shape[-1]
        mean, square = total / count
        return mean.float(), (square - mean**2).clamp(min=0).sqrt().float()

    def windows(self, clip: int, frames: int, most: int | None = None) -> list[Tensor]:
        """Stretches of a clip side by side, each of shape (1, row, frames), the last one ending with it; ``most`` evenly spread."""
        first, end = int(self._starts[clip]), int(self._ends[clip])
        starts = sorted({*range(first, end - frames + 1, frames), end - frames})
        if most is not None and len(starts) > most:
            starts = [starts[i] for i in np.linspace(0, len(starts) - 1, most).round().astype(int)]
        return [torch.from_numpy(np.array(self._frames[a : a + frames])).T[None] for a in starts]

    def batch(self, rows: NDArray[np.int64], frames: int, rng: np.random.Generator) -> Tensor:
        """Stretches of ``frames`` frames of these clips, at random, shape (batch, 1, row, frames).

        They hold no more of the zeros that a short clip is filled up with than they must.
        """
        room = np.maximum(self._unpadded[rows] - frames, 0)
        first = self._starts[rows] + rng.integers(0, room + 1)
        rows_of_frames = torch.from_numpy(np.stack([self._frames[a : a + frames] for a in first]))
        return rows_of_frames.transpose(1, 2).contiguous()[:, None]


def batch_count(clips: int, batch_size: int) -> int:
    """Batches of about that size; none of a single clip, whose batch statistics would be nothing."""
    return max(1, min(round(clips / batch_size), clips // 2))


class Batches:
    """One epoch of training batches; the order and the crops follow from (seed, epoch, step) alone.

    With ``balanced``, clips are drawn so that every label comes up as often as any other.

    Yields
    ------
    features : Tensor, shape (batch, 1, row, frames)
    targets : Tensor of int64, shape (batch,) or (batch, class)
    """

    def __init__(
        self,
        features: Features,
        targets: NDArray[np.int64],
        *,
        frames: int,
        batch_size: int,
        seed: int,
        epoch: int = 0,
        balanced: bool = False,
    ) -> None:
        self._balanced = balanced
        self._features = features
        self._targets = targets
        self._frames = frames
        self._count = batch_count(len(targets), batch_size)
        self._seed = seed
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        order = np.arange(len(self._targets))
        draw = np.random.default_rng([self._seed, self._epoch])
        # Balanced: as many draws as there are clips.
        shares = _shares(self._targets) if self._balanced else None
        order = draw.permutation(order) if shares is None else draw.choice(order, len(order), p=shares)
        for step, rows in enumerate(np.array_split(order, self._count)):
            rng = np.random.default_rng([self._seed, self._epoch, step])
            yield self._features.batch(rows, self._frames, rng), torch.from_numpy(self._targets[rows])


class WholeClips:
    """The clips in batches, each with its windows side by side, to be judged as a whole.

    Yields
    ------
    features : Tensor, shape (window, 1, row, frames)
    targets : Tensor of int64, shape (batch,) or (batch, class)
    clip : Tensor of int64, shape (window,)
        Whose window it is: position in the targets.
    """

    most = 4
    """Windows of a clip; of longer ones they are spread evenly, lest judging takes longer than training."""

    def __init__(self, features: Features, targets: NDArray[np.int64], *, frames: int, batch_size: int) -> None:
        self._features = features
        self._targets = targets
        self._frames = frames
        self._batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self._targets) // self._batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for first in range(0, len(self._targets), self._batch_size):
            targets = torch.from_numpy(self._targets[first : first + self._batch_size])
            windows = [self._features.windows(first + i, self._frames, self.most) for i in range(len(targets))]
            clip = torch.arange(len(targets)).repeat_interleave(torch.tensor([len(w) for w in windows]))
            yield torch.stack([window for of_clip in windows for window in of_clip]), targets, clip


def _shares(targets: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often to draw each clip, so that labels come up alike; a clip of several labels, as often as its rarest wants."""
    counts = np.bincount(targets) if targets.ndim == 1 else targets.sum(axis=0)
    of_clip = counts[targets] if targets.ndim == 1 else np.where(targets > 0, counts, len(targets)).min(axis=1)
    shares: NDArray[np.float64] = 1 / of_clip / (1 / of_clip).sum()
    return shares
