"""Labels that tell in which condition a machine is."""

from __future__ import annotations

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


def chosen_normal(labels: Iterable[str], given: str | None, *, where: object) -> str:
    """The label of sound machines, as given or found.

    Raises
    ------
    DataError
        Where it does not occur, or cannot be told.
    """
    known = sorted(labels)
    if given is not None:
        if given not in known:
            raise DataError(f"{where}: has no label {given!r} (--normal); it has {', '.join(known)}")
        return given
    found = known[0] if len(known) == 1 else normal_label(known)
    if found is None:
        raise DataError(
            f"{where}: which of its labels is normal? It has {', '.join(known)}; name it with --normal LABEL"
        )
    return found
