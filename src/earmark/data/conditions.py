"""Labels that tell in which condition a machine is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from earmark.errors import DataError

NORMAL, ABNORMAL = "normal", "abnormal"
"""What recordings without a label are taken for, and the one label of an anomaly detector."""

_NORMAL = frozenset([NORMAL, "ok", "good", "healthy", "intact"])
_FAULTY = frozenset(
    [
        ABNORMAL, "anomaly", "anomalous", "nok", "ng", "bad", "unhealthy", "worn", "broken", "damaged", "defect", "defective",
        "fault", "faulty", "failure",
    ]
)  # fmt: skip


def are_conditions(labels: Iterable[str]) -> bool:
    """Whether all labels are conditions."""
    return {label.casefold() for label in labels} <= _NORMAL | _FAULTY


def normal_label(labels: Iterable[str]) -> str | None:
    """The label of sound machines; None where there is none, or several might be it."""
    found = [label for label in labels if label.casefold() in _NORMAL]
    return found[0] if len(found) == 1 else None


def may_be_normal(label: str) -> bool:
    """Whether a label is a name of what is normal."""
    return label.casefold() in _NORMAL


def are_faults(labels: Iterable[str]) -> bool:
    """Whether all labels are names of faults in general."""
    return {label.casefold() for label in labels} <= _FAULTY


def chosen_normal(labels: Iterable[str], given: str | None, *, where: object, hint: str = "") -> str:
    """The label of sound machines, as given or found; ``hint`` is what else may be done where it cannot be told.

    Raises
    ------
    DataError
        Where it does not occur, or cannot be told.
    """
    known = sorted(labels)
    if given is not None:
        if given not in known:
            raise DataError(f"{where}: has no label {given!r} (normal=LABEL); it has {', '.join(known)}")
        return given
    only = known[0] if len(known) == 1 and not _sounds_faulty(known[0]) else None
    found = only or normal_label(known)
    if found is None:
        raise DataError(
            f"{where}: which of its labels is normal? It has {', '.join(known)}; name it with normal=LABEL{hint}"
        )
    return found


def refuse_faulty_names(paths: Iterable[str], *, where: object) -> None:
    """Refuse recordings without labels whose names speak of faults.

    Raises
    ------
    DataError
        Naming one.
    """
    for path in paths:
        if _sounds_faulty(path):
            raise DataError(
                f"{where}: {path} sounds like a fault by its name, but there are no labels; put each condition into a folder of "
                "its own, or pass pattern=REGEX"
            )


def _sounds_faulty(name: str) -> bool:
    return bool(_FAULTY & set(re.split(r"[^a-z]+", name.casefold())))
