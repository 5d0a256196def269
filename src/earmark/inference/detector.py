"""How unusual a sound is against normal ones: nearest neighbours and a calibrated tail (NumPy alone).

The distance of a window is that to its nearest normal windows, each divided by how far that one lies from its own neighbours, so
that a sparse corner of the normal sound does not look abnormal (as in Wilkinghoff et al., Keeping the Balance, ICASSP 2025). Its
logarithm less the machine's usual one is the *excess*, whose share among normal windows that were left out is the *tail
probability*: counted where there are enough of them, beyond that an exponential tail (a limit law of extremes: Pickands 1975).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earmark.errors import BundleError

NEIGHBOURS = 3
_OWN = 2  # neighbours of a reference that tell how dense it lies there
_TAIL = 0.2  # share of the left-out windows that the tail is fitted to
_FEWEST = 10  # of them, at least
RAREST = 1e-6  # beyond it a figure would claim what nobody has seen
_ROWS = 512  # distances at a time: rows of the table held in memory

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Detector:
    """What is known of normal sound.

    Attributes
    ----------
    embeddings, spread : ndarray of float32, shape (reference, size)
        Mean and deviation of each band over a normal window's frames, in nepers of power.
    machine, domain, group : ndarray of int64, shape (reference,)
        Number of the machine that each comes from, of the conditions (those of training, then those of each adaptation), and of
        the group.
    transform : ndarray, shape (size, size)
        Brings embeddings to where distances are taken.
    density : ndarray, shape (reference,)
        Mean distance of each reference to its own neighbours.
    usual : ndarray, shape (cell,)
        Logarithm of the usual distance of left-out normal windows of each machine in each of its conditions: a cell.
    excess : ndarray, shape (left out,)
        Logarithm of the distance of every left-out normal window, less the usual one, in rising order.
    band_mean, band_std, frame_std : ndarray, shape (machine, size)
        Mean and deviation of each band's mean over a normal window, and the deviation of its frames.
    """

    embeddings: NDArray[np.float32]
    spread: NDArray[np.float32]
    machine: NDArray[np.int64]
    domain: NDArray[np.int64]
    group: NDArray[np.int64]
    transform: Floats
    density: Floats
    usual: Floats
    excess: Floats
    band_mean: Floats
    band_std: Floats
    frame_std: Floats

    @cached_property
    def tail(self) -> Tail:
        """Law of the excess."""
        return Tail.of(self.excess)

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """Cell of each reference."""
        return cells_of(self.machine, self.domain)

    @cached_property
    def _places(self) -> Floats:
        return np.asarray(self.embeddings @ self.transform)

    def judge(self, embeddings: NDArray[np.float32], machine: int | None = None) -> tuple[Floats, NDArray[np.int64]]:
        """Tail probabilities of windows, and the machine whose threshold each is held to.

        Distances are to the normal sound of all machines, which measured better than to that of one; what is usual is that of the
        machine, in those of its conditions that the window sounds most like.

        Parameters
        ----------
        embeddings : ndarray, shape (window, size)
        machine : int, optional
            By default that of the nearest normal window.

        Returns
        -------
        tail : ndarray, shape (window,)
            Share of normal windows that are at least as unusual.
        machine : ndarray of int64, shape (window,)
        """
        own = None if machine is None else self.machine == machine
        distance, nearest = log_distance(embeddings @ self.transform, self._places, self.density, own)
        return self.tail.probability(distance - self.usual[self.cells[nearest]]), self.machine[nearest]

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """For safetensors."""
        return {name: np.ascontiguousarray(getattr(self, name)) for name in self.__dataclass_fields__}

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]], *, source: str) -> Detector:
        """From what `to_arrays` gave.

        Raises
        ------
        BundleError
            Where an array is missing or of the wrong shape.
        """
        names = cls.__dataclass_fields__
        missing = sorted(set(names) - set(arrays))
        if missing:
            raise BundleError(f"{source}: lacks {', '.join(missing)}; copy the bundle again or train anew")
        found = cls(**{name: arrays[name] for name in names})
        n, size = found.embeddings.shape
        machines = len(found.band_mean)
        good = (
            found.machine.shape == found.domain.shape == found.group.shape == found.density.shape == (n,)
            and found.spread.shape == (n, size)
            and found.transform.shape == (size, size)
            and found.band_mean.shape == found.band_std.shape == found.frame_std.shape == (machines, size)
            and n > NEIGHBOURS
            and len(found.excess) > 0
            and sorted(set(found.machine.tolist())) == list(range(machines))
            and len(found.usual) == found.cells.max() + 1
        )
        if not good:
            raise BundleError(f"{source}: its arrays do not fit each other; copy the bundle again or train anew")
        return found


@dataclass(frozen=True)
class Tail:
    """Law of the excess of normal windows: as counted up to ``start``, exponential of mean ``scale`` beyond.

    Attributes
    ----------
    excess : ndarray
        Of left-out normal windows, in rising order.
    share : float
        Of them beyond ``start``.
    """

    excess: Floats
    start: float
    scale: float
    share: float

    @classmethod
    def of(cls, excess: Floats) -> Tail:
        """Fit: the mean excess over the start is the maximum likelihood estimate of an exponential's scale."""
        n = len(excess)
        count = min(n, max(_FEWEST, round(_TAIL * n)))
        start = float(excess[n - count - 1]) if count < n else float(excess[0])
        beyond = excess[excess > start]
        scale = float((beyond - start).mean()) if len(beyond) else 1e-6
        return cls(excess, start, max(scale, 1e-6), max(len(beyond), 1) / n)

    def probability(self, excess: Floats) -> Floats:
        """Share of normal windows that exceed these, in (0, 1]."""
        counted = 1 - np.searchsorted(self.excess, excess, side="left") / len(self.excess)
        fitted = self.share * np.exp(-np.clip((excess - self.start) / self.scale, 0, 600))
        return np.where(excess > self.start, fitted, np.maximum(counted, self.share))

    def quantile(self, probability: float) -> float:
        """The excess that this share of normal windows goes beyond."""
        if probability <= self.share:
            return self.start + self.scale * float(np.log(self.share / probability))
        return float(np.quantile(self.excess, 1 - probability))


def rarity(tail: float) -> str:
    """A tail probability in words."""
    if tail < RAREST:
        return "rarer than one in a million normal windows"
    return f"one in {1 / tail:,.{1 if tail > 0.1 else 0}f} normal windows"


def cells_of(machine: NDArray[np.int64], domain: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of each window's machine and conditions together, rising with the conditions of a machine."""
    return np.asarray(np.unique(np.stack([machine, domain]), axis=1, return_inverse=True)[1].reshape(-1), np.int64)


def log_distance(
    windows: Floats, places: Floats, density: Floats, own: NDArray[np.bool_] | None = None
) -> tuple[Floats, NDArray[np.int64]]:
    """Logarithm of the mean distance to the nearest references, each over its own density, and the number of the nearest.

    Parameters
    ----------
    windows, places : ndarray, shape (window, size) and (reference, size)
    density : ndarray, shape (reference,)
    own : ndarray of bool, shape (reference,), optional
        Among which the nearest is looked for; all by default.
    """
    found = np.empty(len(windows))
    nearest = np.empty(len(windows), np.int64)
    for first in range(0, len(windows), _ROWS):
        rows = slice(first, first + _ROWS)
        ratio = distances(windows[rows], places) / density
        count = min(NEIGHBOURS, ratio.shape[1])
        found[rows] = np.partition(ratio, count - 1, axis=1)[:, :count].mean(axis=1)
        nearest[rows] = (ratio if own is None else np.where(own, ratio, np.inf)).argmin(axis=1)
    return np.log(np.maximum(found, 1e-12)), nearest


def own_density(places: Floats) -> Floats:
    """Mean distance of each point to its nearest others, within bounds, shape (point, size) to (point,)."""
    count = min(_OWN, len(places) - 1)
    if count == 0:
        return np.ones(1)
    found = np.empty(len(places))
    for first in range(0, len(places), _ROWS):
        table = distances(places[first : first + _ROWS], places)
        table[np.arange(len(table)), first + np.arange(len(table))] = np.inf
        found[first : first + _ROWS] = np.partition(table, count - 1, axis=1)[:, :count].mean(axis=1)
    # Copies of one sound would have no distance at all, and the few first clips of new conditions no neighbours among themselves.
    usual = float(np.median(found))
    return np.clip(found, 0.1 * usual + 1e-9, 1.5 * usual + 1e-9)


def distances(a: Floats, b: Floats) -> Floats:
    """Euclidean, shape (m, size) and (n, size) to (m, n)."""
    square = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.asarray(np.sqrt(np.maximum(square, 0)), np.float64)
