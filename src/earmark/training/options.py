"""How a model is trained: what `earmark.train` and the others take, and the same on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from earmark.errors import SettingsError
from earmark.support.keywords import DATA, MACHINES, OUTPUT, SPLIT, TRAINING, StrPath, option

AUTO = "auto"
"""The recipe that follows from the data."""


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train."""

    recipe: str = field(
        default=AUTO,
        metadata=option(
            "Time to take (fast, balanced, best), kind of sound (general, speech, machine), or both: fast+speech. auto: balanced, "
            "and the kind that suits the labels. Or a .toml file of settings.",
            TRAINING,
        ),
    )
    settings: Sequence[str] = field(
        default=(),
        metadata=option(
            "Change a setting of the recipe: key=value; repeatable. earmark.settings lists them.",
            TRAINING,
            repeated=True,
            flag="--set",
        ),
    )
    task: str = field(
        default="auto",
        metadata=option(
            "auto: a classifier that suits the labels. anomaly: a detector that learns from normal clips alone.",
            TRAINING,
        ),
    )
    base: StrPath | None = field(
        default=None,
        metadata=option(
            "Model to continue from. Its front end, labels and weights are kept; the data may add labels.",
            TRAINING,
            flag="--from",
        ),
    )
    seed: int = field(
        default=0, metadata=option("Seed of the split, the weights, the order and the augmentation.", TRAINING)
    )
    device: str = field(default="auto", metadata=option("Where to train: auto, cpu, cuda or mps.", TRAINING))
    channel: int | None = field(
        default=None, metadata=option("Channel to take, from 0. Default: the mean of all.", DATA)
    )
    allow_leak: bool = field(
        default=False,
        metadata=option("Accept a split whose groups overlap. Bundle, card and report will say so.", SPLIT),
    )
    per: Sequence[str] = field(
        default=(),
        metadata=option(
            "Columns that together name a machine, such as machine,id: metrics for each of them.", MACHINES
        ),
    )
    normal: str | None = field(
        default=None,
        metadata=option("Label of healthy machines. Default: found by its name (normal, ok, intact ...).", MACHINES),
    )
    resume: bool = field(default=False, metadata=option("Continue an interrupted run.", OUTPUT))
    overwrite: bool = field(
        default=False, metadata=option("Replace what the same command made at the output path.", OUTPUT)
    )

    def __post_init__(self) -> None:
        """Refuse a seed out of range."""
        if not 0 <= self.seed < 2**32:
            raise SettingsError(f"seed is {self.seed}; the allowed range is 0 to {2**32 - 1}")
