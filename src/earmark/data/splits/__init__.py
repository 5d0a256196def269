"""Which clips train and which test: official folds where there are some, else stratified by label and never across a group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from earmark.data.manifest import Manifest
from earmark.data.splits.folds import grouped_folds, nearest, random_folds
from earmark.data.splits.parts import Split, check_labels, checked, only_normal
from earmark.data.splits.validation import with_validation
from earmark.errors import DataError

__all__ = [
    "Split", "check_labels", "crossval_folds", "grouped_folds", "holdout", "only_normal", "random_folds", "with_validation",
]  # fmt: skip


def holdout(
    manifest: Manifest,
    *,
    test_fold: str | None = None,
    folds: int | None = None,
    seed: int = 0,
    allow_leak: bool = False,
    strata: Sequence[str] = (),
) -> Split:
    """One split.

    Parameters
    ----------
    manifest : Manifest
    test_fold : str, optional
        Name of an official fold or split, or the number of one of ``folds`` made here, or ``none`` to train on everything.
        By default the official test split, else the official valid split, else the last official fold, else of ``folds`` made here
        the one whose share of the clips is nearest to what is asked.
    folds : int, optional
        How many grouped folds to make, of which one is held out; the official ones by default, or 5.
    seed : int
        Of the shuffle.
    allow_leak : bool
        Take a split with groups on both sides; its notes say so.
    strata : sequence of str
        What is spread evenly over folds made here, one a clip; the labels by default.

    Returns
    -------
    Split

    Raises
    ------
    DataError
        For an unknown fold, or groups on both sides that are neither declared by the layout nor allowed.
    """
    if test_fold == "none":
        everything = np.arange(len(manifest))
        nothing = np.zeros(0, np.int64)
        return Split(everything, nothing, nothing, "no test part", "nothing is tested; no accuracy is claimed")
    others: list[str] = []
    if folds is None:
        split = manifest.column("split")
        # A data set with train and valid alone means the second one for testing.
        default = next((name for name in ("test", "valid") if (split == name).any()), None)
        name = test_fold or default
        if name is not None and (split == name).any():
            protocol = f"the published split {name!r} tests"
            return checked(manifest, split == name, f"split {name}", protocol, published=True, allow_leak=allow_leak)
        known = _official(manifest)
        wanted = known[-1:] if test_fold is None else [test_fold, test_fold.lstrip("0")]
        found = next((n for n in wanted if n in known), None)
        if found is not None:
            return _official_fold(manifest, found, allow_leak=allow_leak)
        others = [*known, *sorted(set(split) - {""})]
    made = grouped_folds(manifest, folds=folds, seed=seed, strata=strata)
    if test_fold is None:
        return nearest(made, len(manifest) / len(made))
    return made[_number(test_fold, len(made), others) - 1]


def crossval_folds(
    manifest: Manifest, *, folds: int | None = None, seed: int = 0, allow_leak: bool = False, strata: Sequence[str] = ()
) -> list[Split]:
    """Official folds, or ``folds`` (5 by default) grouped ones where the number is given or there are no official ones."""
    known = _official(manifest)
    if folds is None and len(known) > 1:
        return [_official_fold(manifest, name, allow_leak=allow_leak) for name in known]
    return grouped_folds(manifest, folds=folds, seed=seed, strata=strata)


def _official_fold(manifest: Manifest, name: str, *, allow_leak: bool) -> Split:
    tested = manifest.column("fold") == name
    return checked(
        manifest, tested, f"fold {name}", f"official fold {name} tests", published=True, allow_leak=allow_leak
    )


def _official(manifest: Manifest) -> list[str]:
    names = set(manifest.column("fold")) - {""}
    return sorted(names, key=lambda n: (not n.isdigit(), int(n) if n.isdigit() else 0, n))


def _number(test_fold: str, count: int, known: list[str]) -> int:
    if known:
        raise DataError(f"unknown fold {test_fold!r}; choose one of {', '.join(known)}, or none")
    if not test_fold.isdigit() or not 1 <= int(test_fold) <= count:
        raise DataError(f"unknown fold {test_fold!r}; choose a number from 1 to {count}, or none")
    return int(test_fold)
