"""Normal windows to a `Detector`: its distances, what is usual for each machine, and the tail of what was left out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import ledoit_wolf

from earmark.errors import DataError, SettingsError
from earmark.inference.detector import RAREST, Detector, Floats, cells_of, log_distance, own_density

_PARTS = 10  # of the normal groups, each left out once
_DRAWS = 200  # of groups, for the uncertainty of the threshold
_FEWEST = 5  # normal windows to make a detector of
_WANTED = 1 / 8  # false alarms an hour
AUTO = "auto"


def false_alarm_rate(stated: str, stride_seconds: float, windows: int) -> float:
    """Share of normal windows that may raise an alarm.

    Parameters
    ----------
    stated : str
        ``5%`` of the windows, ``1/8h`` (one in eight hours), or ``auto``: one in eight hours, or as rare as the normal windows
        at hand can show.
    stride_seconds : float
        From one window to the next.
    windows : int
        Normal windows at hand.

    Raises
    ------
    SettingsError
        For anything but a share or a number per hours.
    """
    share = re.fullmatch(r"\s*([\d.]+)\s*(%?)\s*", stated)
    every = re.fullmatch(r"\s*([\d.]+)\s*/\s*([\d.]*)\s*h\s*", stated)
    try:
        if stated.strip() == AUTO:
            return max(_WANTED * stride_seconds / 3600, 1 / max(windows, 2))
        if share:
            rate = float(share[1]) / (100 if share[2] else 1)
        elif every:
            rate = float(every[1]) * stride_seconds / (float(every[2] or 1) * 3600)
        else:
            raise ValueError
        if not 0 < rate <= 0.5:
            raise ValueError
    except (ValueError, ZeroDivisionError) as error:
        raise SettingsError(
            f"setting false_alarms is {stated!r}; give a share of the windows up to a half (5%), a number an hour (1/8h), or {AUTO}"
        ) from error
    return rate


@dataclass(frozen=True)
class Normal:
    """Normal windows to learn from.

    Attributes
    ----------
    embeddings, spread : ndarray of float32, shape (window, size)
        Mean and deviation of each band over the frames, in nepers of power.
    machine, domain, group : ndarray of int64, shape (window,)
        Number of the machine, of the conditions (background, load) and of the group, which is left out as a whole.
    """

    embeddings: NDArray[np.float32]
    spread: NDArray[np.float32]
    machine: NDArray[np.int64]
    domain: NDArray[np.int64]
    group: NDArray[np.int64]

    @classmethod
    def known_to(cls, detector: Detector) -> Normal:
        """What a detector was made from."""
        return cls(**{name: getattr(detector, name) for name in cls.__dataclass_fields__})

    def __add__(self, other: Normal) -> Normal:
        """With windows of later conditions; the groups of the two have nothing in common."""
        later = {"domain": int(self.domain.max()) + 1, "group": int(self.group.max()) + 1}
        return Normal(
            **{
                name: np.concatenate([getattr(self, name), getattr(other, name) + later.get(name, 0)])
                for name in self.__dataclass_fields__
            }
        )

    @property
    def cells(self) -> NDArray[np.int64]:
        """As `earmark.inference.detector.cells_of`."""
        return cells_of(self.machine, self.domain)


def fit(normal: Normal, *, where: object = "data") -> Detector:
    """Learn what is normal.

    Parameters
    ----------
    normal : Normal
        Of machines 0 to the highest number, all of which occur.
    where : object
        What errors name.

    Raises
    ------
    DataError
        Where there is too little to set a threshold with.
    """
    embeddings, cells, group = normal.embeddings, normal.cells, normal.group
    if len(embeddings) < _FEWEST or len(np.unique(group)) < 2:
        raise DataError(
            f"{where}: {len(embeddings)} normal windows in {len(np.unique(group))} groups are too few to tell what is normal; "
            f"give {_FEWEST} at least, in two groups or more"
        )
    distance = _left_out(embeddings, cells, group)
    counted = np.isfinite(distance)
    if counted.sum() < _FEWEST:
        raise DataError(
            f"{where}: only {int(counted.sum())} normal windows have enough others of their machine beside them when their group "
            "is excluded, too few to set a threshold with; give more normal clips, or smaller groups (group=COLUMN or "
            "group_pattern=REGEX)"
        )
    usual = _usual(distance, cells, normal.domain, group)
    mean, std, frame = _bands(normal)
    transform = half_whitening(embeddings, cells)
    return Detector(
        **{name: getattr(normal, name) for name in Normal.__dataclass_fields__},
        transform=transform,
        density=own_density(embeddings @ transform),
        usual=usual,
        excess=np.sort((distance - usual[cells])[counted]),
        band_mean=mean,
        band_std=std,
        frame_std=frame,
    )


def _left_out(embeddings: NDArray[np.float32], cells: NDArray[np.int64], group: NDArray[np.int64]) -> Floats:
    """Log distance of each window where its group was left out; NaN where nothing else is known of its machine and conditions."""
    distance = np.full(len(embeddings), np.nan)
    part = _parts(cells, group)
    for number in np.unique(part):
        known, left_out = part != number, part == number
        if known.sum() < _FEWEST - 1 or np.bincount(cells[known]).max() < 2:
            continue  # they do not tell how normal sound varies
        # Everything is learnt anew without them, so that their distance is that of sound never heard.
        inner = half_whitening(embeddings[known], cells[known])
        places = embeddings[known] @ inner
        distance[left_out] = log_distance(embeddings[left_out] @ inner, places, own_density(places))[0]
        distance[left_out & ~np.isin(cells, cells[known])] = np.nan
    return distance


def _parts(cells: NDArray[np.int64], group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal the groups of each machine out to parts of which each is left out once."""
    part: dict[int, int] = {}
    for number in np.unique(cells):
        for g in np.unique(group[cells == number]):
            part.setdefault(int(g), len(part) % _PARTS)
    return np.array([part[int(g)] for g in group], np.int64)


def half_whitening(embeddings: NDArray[np.float32], cells: NDArray[np.int64]) -> Floats:
    """Scale each coordinate by its deviation within machines and conditions, then take half of their correlation out.

    Full whitening (the Mahalanobis distance) blows up directions in which normal sound hardly varies, which is where small samples
    deceive; none at all counts neighbouring bands many times over. The covariance is shrunk by Ledoit and Wolf's rule (2004).
    Measured in benchmarks/anomaly.py.
    """
    within = np.asarray(embeddings, np.float64).copy()
    for number in np.unique(cells):
        within[cells == number] -= within[cells == number].mean(axis=0)
    deviation = within.std(axis=0)
    deviation = np.maximum(deviation, 1e-3 * deviation.max() + 1e-6)
    values, vectors = np.linalg.eigh(ledoit_wolf(within / deviation, assume_centered=True)[0])
    root = (vectors * np.maximum(values, 1e-9) ** -0.25) @ vectors.T
    return np.asarray(root / deviation[:, None])


def describe(
    detector: Detector, stated: str, machines: Sequence[str], plan_seconds: tuple[float, float]
) -> dict[str, Any]:
    """What a bundle's description says of its detector.

    Parameters
    ----------
    detector : Detector
    stated : str
        As `false_alarm_rate` takes it.
    machines : sequence of str
        Their names; empty where all count as one machine.
    plan_seconds : (float, float)
        Length of a window, and from one to the next.

    Returns
    -------
    dict
        ``false_alarms`` as stated, ``rate`` a window, ``rate_interval`` (95%: what the rate at the threshold may really be, by
        drawing as many normal windows anew as there are groups), ``thresholds`` (logarithm of the distance, for each machine; what
        decides is the tail probability), ``normal_windows`` (left out in turn), ``normal_hours``, ``extrapolated`` and ``notes``.
    """
    window, stride = plan_seconds
    windows = len(detector.excess)
    rate = false_alarm_rate(stated, stride, windows)
    cut = detector.tail.quantile(rate)
    hours = windows * window / 3600
    extrapolated = rate * windows < 1 - 1e-9
    wanted = _WANTED * stride / 3600
    notes = []
    if extrapolated:
        notes.append(
            f"the threshold is extrapolated: one false alarm in {1 / rate:.0f} windows is stated, and the {windows} normal windows "
            f"at hand ({hours:.2g} h) can only count to one in {windows}"
        )
    elif stated.strip() == AUTO and rate > wanted:
        notes.append(
            f"the threshold allows one false alarm in {windows} windows, as rare as {hours:.2g} h of normal sound can show; "
            f"one in {1 / _WANTED:.0f} h would take {window / wanted / 3600:.0f} h of it, or false_alarms=1/8h, extrapolated"
        )
    # A machine's latest conditions are told; they have the highest number among its cells.
    latest = {int(m): float(detector.usual[c]) for c, m in sorted(zip(detector.cells, detector.machine, strict=True))}
    return {
        "false_alarms": stated.strip(),
        "rate": rate,
        "rate_interval": _interval(detector, cut),
        "thresholds": {name: cut + latest[number] for number, name in enumerate(machines or ["all"])},
        "normal_windows": windows,
        "normal_hours": hours,
        "extrapolated": extrapolated,
        "notes": notes,
    }


def _interval(detector: Detector, cut: float) -> list[float]:
    """95% interval of the share of normal windows beyond a threshold."""
    rng, tail = np.random.default_rng(0), detector.tail
    # They are kept in rising order, without their groups: as many windows as there are groups stand for what is independent, and
    # one more that is as expected, so that few that hold no rare one do not say that there is none.
    size = min(len(detector.excess), max(2, len(np.unique(detector.group))))
    drawn = rng.choice(detector.excess, (_DRAWS, size))
    at = min(cut, tail.start)
    expected = float(tail.probability(np.array([at]))[0]) if cut <= tail.start else tail.share
    found = ((drawn > at).sum(axis=1) + expected) / (size + 1)
    if cut > tail.start:
        beyond = np.maximum(drawn - tail.start, 0)
        scale = (beyond.sum(axis=1) + tail.scale) / ((beyond > 0).sum(axis=1) + 1)
        found = found * np.exp(-(cut - tail.start) / scale)
    low, high = np.quantile(found, [0.025, 0.975])
    return [max(float(low), RAREST), max(float(high), RAREST)]


def _usual(distance: Floats, cells: NDArray[np.int64], domain: NDArray[np.int64], group: NDArray[np.int64]) -> Floats:
    """Usual log distance of each cell, which is a machine in its conditions.

    The mean of its groups, drawn to that of all machines in these conditions the more, the less is known of it (empirical Bayes).
    """
    count = int(cells.max()) + 1
    centre, own, variance = np.zeros(count), np.zeros(count), np.full(count, np.inf)
    for number in range(count):
        inside, counted = cells == number, np.isfinite(distance)
        same = (domain == domain[inside][0]) & counted
        centre[number] = own[number] = distance[same if same.any() else counted].mean()
        counted &= inside
        of_groups = [distance[counted & (group == g)].mean() for g in np.unique(group[counted])]
        if len(of_groups) > 1:
            own[number], variance[number] = np.mean(of_groups), np.var(of_groups, ddof=1) / len(of_groups)
    # A cell alone in its conditions says nothing of how machines differ.
    cell_domain = np.array([domain[cells == number][0] for number in range(count)])
    known = np.isfinite(variance) & (np.bincount(cell_domain)[cell_domain] > 1)
    between = max(0.0, float((np.square(own - centre)[known] - variance[known]).mean())) if known.any() else 0.0
    return centre + (own - centre) * between / (between + variance + 1e-12)


def _bands(normal: Normal) -> tuple[Floats, Floats, Floats]:
    """Mean and deviation of each band over windows, and its deviation over frames, for each machine; of all where few are known."""
    machines = int(normal.machine.max()) + 1
    found = np.empty((3, machines, normal.embeddings.shape[1]))
    for number in range(machines):
        own = normal.machine == number
        if own.sum() < 2:
            own = np.ones(len(own), bool)
        level, spread = normal.embeddings[own].astype(np.float64), normal.spread[own].astype(np.float64)
        variance = level.var(axis=0, ddof=1)
        found[:, number] = level.mean(axis=0), np.sqrt(variance), np.sqrt(np.square(spread).mean(axis=0) + variance)
    found[1:] = np.maximum(found[1:], 0.05)  # a fifth of a decibel is no fault
    return found[0], found[1], found[2]
