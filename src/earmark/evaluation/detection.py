"""Figures of machine-condition monitoring, "abnormal" being the positive class; what is undefined is None, never NaN."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean, harmonic_mean, median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from sklearn import metrics

MAX_FPR = 0.1  # of the partial AUC, as in DCASE Task 2
FIGURES = ("accuracy", "precision", "recall", "f1", "auc", "pauc")
_Z = float(stats.norm.ppf(0.975))


class _Counts(NamedTuple):
    tn: int
    fp: int
    fn: int
    tp: int

    @classmethod
    def of(cls, abnormal: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> _Counts:
        tn, fp, fn, tp = np.bincount(2 * abnormal + flagged, minlength=4).tolist()
        return cls(tn, fp, fn, tp)


def machine_table(
    machines: Sequence[str],
    abnormal: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
    scores: NDArray[np.floating[Any]] | None = None,
) -> list[dict[str, Any]]:
    """Figures of each machine, sorted by its name.

    Parameters
    ----------
    machines : sequence of str
        Of each clip, such as "fan/id_00".
    abnormal, flagged : ndarray of bool, shape (clip,)
        What is true, and what the detector said.
    scores : ndarray of float, shape (clip,), optional
        Finite, the higher the more abnormal.

    Returns
    -------
    list of dict
        ``machine``, ``precision``, ``recall``, ``f1``, ``accuracy``, three of them with a Wilson 95% ``_interval`` [low, high],
        ``n``, ``n_abnormal``, ``auc``, ``pauc`` and ``note``, a sentence on what is undefined or "". None stands for: precision
        where nothing was flagged; precision, recall and F1 where nothing is abnormal; AUC and pAUC without scores or one of the
        classes.
    """
    names, (abnormal, flagged) = np.asarray(machines, np.str_), _flags(abnormal, flagged)
    rows = []
    for name in sorted(set(machines)):
        own = names == name
        count = _Counts.of(abnormal[own], flagged[own])
        auc, pauc = (None, None) if scores is None else _areas(scores[own], abnormal[own])
        rows.append({"machine": name, **_rates(count), "auc": auc, "pauc": pauc, "note": _note(count)})
    return rows


def over_machines(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Means over machines, each over those where the figure is defined.

    Parameters
    ----------
    rows : sequence of mapping
        As `machine_table` gives them.

    Returns
    -------
    dict
        ``mean`` and ``harmonic_mean`` (0 where one value is 0) of `FIGURES`, and ``score``, the harmonic mean of all AUCs and pAUCs
        together: the official score of DCASE Task 2 (Dohi et al., arXiv:2305.07828), but that there each machine has two AUCs, one
        for each domain.
    """
    values = {key: [row[key] for row in rows if row[key] is not None] for key in FIGURES}
    areas = values["auc"] + values["pauc"]
    return {
        "mean": {key: fmean(found) if found else None for key, found in values.items()},
        "harmonic_mean": {key: float(harmonic_mean(found)) if found else None for key, found in values.items()},
        "score": float(harmonic_mean(areas)) if areas else None,
    }


def measure_detection(
    scores: NDArray[np.floating[Any]],
    abnormal: NDArray[np.bool_],
    flagged: NDArray[np.bool_],
    machines: Sequence[str],
    *,
    labels: tuple[str, str] = ("normal", "abnormal"),
    hours: float | None = None,
    stated: float | None = None,
) -> dict[str, Any]:
    """All figures of a detector's test part.

    Parameters
    ----------
    scores, abnormal, flagged, machines
        As in `machine_table`.
    labels : tuple of str
        Names of the negative and the positive class.
    hours : float, optional
        Duration of all normal clips together.
    stated : float, optional
        Share of normal windows that the detector was set to flag; of clips too, where a clip is one window.

    Returns
    -------
    dict
        ``n``, ``accuracy`` and ``accuracy_interval``; ``precision``, ``recall`` and ``f1`` of the positive class and
        ``recall_interval``, None as in `machine_table`; ``auc`` with its ``auc_interval`` and ``pauc`` over all clips together;
        ``false_alarm_rate``: ``stated``, ``seen``, ``interval`` and ``n``, the number of normal clips; ``false_alarms_per_hour`` of
        normal clips; ``per_class``, ``labels`` and ``confusion`` [[tn, fp], [fn, tp]]; ``machines``, as `machine_table`, and
        ``over_machines``. Intervals are of 95%: Wilson's, and for the AUC Newcombe's (2006) with the variance of Hanley and
        McNeil (1982). All take the clips to be independent, so those of one machine or day are less certain than they say.
    """
    abnormal, flagged = _flags(abnormal, flagged)
    count = _Counts.of(abnormal, flagged)
    normal, faulty = count.tn + count.fp, count.fn + count.tp
    auc, pauc = _areas(scores, abnormal)
    positive, negative = _per_class(count), _per_class(_Counts(*reversed(count)))
    rates = _rates(count)
    rows = machine_table(machines, abnormal, flagged, scores)
    return {
        "n": sum(count),
        "accuracy": _share(count.tn + count.tp, sum(count)),
        "accuracy_interval": _wilson(count.tn + count.tp, sum(count)),
        **{key: rates[key] for key in ("precision", "recall", "recall_interval", "f1")},
        "auc": auc,
        "auc_interval": None if auc is None else _auc_interval(auc, faulty, normal),
        "pauc": pauc,
        "false_alarm_rate": {
            "stated": stated,
            "seen": _share(count.fp, normal),
            "interval": _wilson(count.fp, normal),
            "n": normal,
        },
        "false_alarms_per_hour": count.fp / hours if hours else None,
        "per_class": {labels[0]: negative, labels[1]: positive},
        "labels": list(labels),
        "confusion": [[count.tn, count.fp], [count.fn, count.tp]],
        "machines": rows,
        "over_machines": over_machines(rows),
    }


def watch(
    alarms: Sequence[tuple[float, float]],
    faults: Sequence[tuple[float, float]],
    seconds: float,
    *,
    raised: Sequence[float] = (),
    tolerance: float = 0.0,
) -> dict[str, Any]:
    """Figures of the alarms in one long recording.

    A detector whose alarm never ends finds all faults at once and has no false alarm here: read ``false_alarm_rate`` of
    `measure_detection` as well.

    Parameters
    ----------
    alarms, faults : sequence of (start, end)
        What the detector said, and what is true, in seconds.
    seconds : float
        Length of the recording.
    raised : sequence of float
        When each alarm could be told, in seconds, from which delays are counted; by default its start.
    tolerance : float
        Seconds by which a fault is widened at both ends for the count of false alarms, since a window across its border is none.
        An alarm that lies in there alone is not false, but finds nothing either.

    Returns
    -------
    dict
        ``faults`` and how many were ``found``; ``delays`` in seconds from the start of each fault to that when the first alarm
        that overlaps it was raised, 0 if that came before it, None if the fault was missed; ``delay``, their median;
        ``false_alarms``, which overlap no fault; ``normal_hours``, outside the faults; ``false_alarms_per_hour`` of them and its
        exact Poisson 95% ``false_alarms_per_hour_interval`` (Garwood 1936).
    """
    delays: list[float | None] = []
    rates = list(zip(alarms, raised or [start for start, _ in alarms], strict=True))
    for fault in faults:
        starts = [when for alarm, when in rates if _overlap(alarm, fault)]
        delays.append(max(0.0, float(min(starts) - fault[0])) if starts else None)
    wide = [(start - tolerance, end + tolerance) for start, end in faults]
    false = sum(not any(_overlap(alarm, fault) for fault in wide) for alarm in alarms)
    normal, last = 0.0, 0.0  # time outside the faults up to the last one's end; they may overlap
    for start, end in sorted([*faults, (seconds, seconds)]):
        normal += max(0.0, float(min(start, seconds) - last))
        last = max(last, end)
    return _watched(delays, false, normal / 3600)


def watches(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures of several recordings together, from those that `watch` gives of each."""
    return _watched(
        [delay for one in found for delay in one["delays"]],
        sum(one["false_alarms"] for one in found),
        math.fsum(one["normal_hours"] for one in found),
    )


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """GitHub Markdown table of `machine_table`'s rows and their mean; AUC, pAUC and notes only where a row has one."""
    keys = ["precision", "recall", "accuracy"]
    keys += [key for key in ("auc", "pauc") if any(row[key] is not None for row in rows)]
    notes = any(row["note"] for row in rows)
    names = {"auc": "AUC", "pauc": "pAUC"}
    mean = over_machines(rows)["mean"]
    lines = [["machine", *(names.get(key, key) for key in keys), "n", "note"]]
    lines += [["---", *("---:" for _ in keys), "---:", "---"]]
    for row in rows:
        figures = (_percent(row[key], row.get(f"{key}_interval")) for key in keys)
        lines += [[row["machine"].replace("|", "\\|"), *figures, str(row["n"]), row["note"]]]
    lines += [["**mean**", *(f"**{_percent(mean[key])}**" for key in keys), "", ""]]
    return "".join(f"| {' | '.join(line if notes else line[:-1])} |\n" for line in lines)


def csv_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of `machine_table` for a CSV: ``precision_interval`` becomes ``precision_low`` and ``precision_high``, and so on."""
    flat = []
    for row in rows:
        line: dict[str, Any] = {}
        for key, value in row.items():
            if key.endswith("_interval"):
                name = key.removesuffix("_interval")
                line[f"{name}_low"], line[f"{name}_high"] = value or (None, None)
            else:
                line[key] = value
        flat.append(line)
    return flat


def _flags(*flags: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    return [np.asarray(flag, np.bool_) for flag in flags]  # 0 and 1 would index


def _share(part: int, n: int) -> float | None:
    return part / n if n else None


def _wilson(part: int, n: int) -> list[float] | None:
    if n == 0:
        return None
    interval = stats.binomtest(part, n).proportion_ci(method="wilson")
    return [float(interval.low), float(interval.high)]


def _rates(count: _Counts) -> dict[str, Any]:
    tn, fp, fn, tp = count
    n = sum(count)
    return {
        # Without an abnormal clip it could only be 0.
        "precision": _share(tp, tp + fp) if tp + fn else None,
        "precision_interval": _wilson(tp, tp + fp) if tp + fn else None,
        "recall": _share(tp, tp + fn),
        "recall_interval": _wilson(tp, tp + fn),
        "f1": _share(2 * tp, 2 * tp + fp + fn) if tp + fn else None,
        "accuracy": _share(tn + tp, n),
        "accuracy_interval": _wilson(tn + tp, n),
        "n": n,
        "n_abnormal": tp + fn,
    }


def _note(count: _Counts) -> str:
    found = []
    if count.fn + count.tp == 0:
        found.append("no abnormal clip: precision, recall, F1 and AUC are undefined")
    if count.tn + count.fp == 0:
        found.append("no normal clip: false alarms and AUC are undefined")
    if count.fp + count.tp == 0 < count.fn + count.tp:
        found.append("no clip flagged: precision is undefined")
    return "; ".join(found)


def _per_class(count: _Counts) -> dict[str, Any]:
    """Of the second class, None where they are undefined."""
    rates = _rates(count)
    found = {**{key: rates[key] for key in ("precision", "recall", "f1")}, "n": rates["n_abnormal"]}
    if not rates["n_abnormal"]:
        times = f", predicted {count.fp} times" if count.fp else ""
        return {**found, "note": f"no test clips{times}"}
    return found if rates["precision"] is not None else {**found, "note": "never predicted"}


def _areas(scores: NDArray[np.floating[Any]], abnormal: NDArray[np.bool_]) -> tuple[float, float] | tuple[None, None]:
    """AUC, and the partial one of false-positive rates up to `MAX_FPR`, standardised so that chance is 0.5 (McClish 1989)."""
    if abnormal.all() or not abnormal.any():
        return None, None
    auc, pauc = (metrics.roc_auc_score(abnormal, scores, max_fpr=limit) for limit in (None, MAX_FPR))
    return float(auc), float(pauc)


def _auc_interval(auc: float, abnormal: int, normal: int) -> list[float]:
    """95% interval of an AUC: the variance of Hanley and McNeil (1982), taken at the bounds (Newcombe 2006, Stat. Med. 25:559).

    Unlike the estimate plus or minus 1.96 standard errors, be they DeLong's, it keeps a width where the AUC is 0 or 1.
    """
    more = (abnormal + normal) / 2 - 1

    def error(area: float) -> float:
        spread = 1 + more * (1 - area) / (2 - area) + more * area / (1 + area)
        return math.sqrt(area * (1 - area) * spread / (abnormal * normal))

    def below(seen: float) -> float:
        if seen <= 0:
            return 0.0
        return float(optimize.brentq(lambda area: seen - area - _Z * error(area), 0.0, seen * (1 - 1e-9)))

    return [below(auc), 1 - below(1 - auc)]  # the variance is the same with the classes exchanged


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _watched(delays: list[float | None], false: int, hours: float) -> dict[str, Any]:
    known = [delay for delay in delays if delay is not None]
    low = stats.chi2.ppf(0.025, 2 * false) / 2 if false else 0.0
    high = stats.chi2.ppf(0.975, 2 * false + 2) / 2
    return {
        "faults": len(delays),
        "found": len(known),
        "delays": delays,
        "delay": median(known) if known else None,
        "false_alarms": false,
        "normal_hours": hours,
        "false_alarms_per_hour": false / hours if hours else None,
        "false_alarms_per_hour_interval": [float(low / hours), float(high / hours)] if hours else None,
    }


def _percent(value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "-"
    around = f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})" if interval else ""
    return f"{100 * value:.1f}%{around}"
