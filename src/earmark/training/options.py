"""How a model is trained."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from earmark.errors import SettingsError
from earmark.training import recipe


@dataclass(frozen=True)
class TrainOptions:
    """How to train.

    Attributes
    ----------
    recipe : str
        Name as for `earmark.training.recipe.load`, or ``auto`` for the one that suits task and labels; a tier alone
        (``fast``) takes the kind that suits them.
    settings : sequence of str
        ``key=value`` changes to it.
    channel : int, optional
        Channel to take; the mean of all by default.
    seed : int
    device : str
    resume, overwrite : bool
        Go on from an interrupted run; replace what is at the output path.
    allow_leak : bool
        Train on a split that has groups on both sides; bundle, card and report say so.
    task : {"auto", "anomaly"}
        ``anomaly`` learns from normal clips alone; ``auto`` takes one label a clip or several, as the data have it.
    per : sequence of str
        Columns that together name a machine: figures, and a detector's thresholds, for each.
    base : path, optional
        Bundle to continue from: its front end, network, labels and weights.
    normal : str, optional
        The label of sound machines; found by its name otherwise (normal, ok, good, healthy, intact).
    """

    recipe: str = recipe.AUTO
    settings: Sequence[str] = ()
    channel: int | None = None
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    overwrite: bool = False
    allow_leak: bool = False
    task: str = "auto"
    per: Sequence[str] = ()
    normal: str | None = None
    base: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"seed is {self.seed}; the allowed range is 0 to {2**32 - 1}")
