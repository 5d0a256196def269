"""What each verb takes: its keywords in Python, its options on the command line. Light, so that ``--help`` is quick."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from earmark.data.options import DATA_SET, OVERWRITE, DataOptions
from earmark.support.keywords import MACHINES, OUTPUT, SPLIT, TRAINING, StrPath, option
from earmark.training.options import TrainOptions

_MODEL = "Trained model: the bundle's folder or .zip."


@dataclass(frozen=True, kw_only=True)
class _Trained(DataOptions, TrainOptions):
    """What every verb that trains takes."""

    data: StrPath = field(kw_only=False, metadata=option(DATA_SET))

    def __post_init__(self) -> None:
        """Refuse what is out of range."""
        DataOptions.__post_init__(self)
        TrainOptions.__post_init__(self)


@dataclass(frozen=True, kw_only=True)
class _Held(_Trained):
    """What says which part of the data tests."""

    test_fold: str | None = field(
        default=None,
        metadata=option(
            "Fold or split that tests; none to train on everything. Default: the official one, else 20% of the groups.",
            SPLIT,
        ),
    )
    folds: int | None = field(
        default=None,
        metadata=option(
            "Number of grouped folds, of which test_fold tests, or the one nearest to 20%. Default: the official ones, else 5.",
            SPLIT,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class TrainCall(_Held):
    """What `earmark.train` takes, without settings of the recipe."""

    out: StrPath = field(kw_only=False, metadata=option("Folder of the bundle that is made.", OUTPUT))
    refit: bool = field(
        default=False,
        metadata=option(
            "Train again on every clip after testing. The metrics stay those of the model that was tested.", TRAINING
        ),
    )


@dataclass(frozen=True, kw_only=True)
class CrossvalCall(_Trained):
    """What `earmark.crossval` takes, without settings of the recipe."""

    out: StrPath = field(
        kw_only=False,
        metadata=option("Folder that takes a bundle per fold, the pooled metrics and the report.", OUTPUT),
    )
    folds: int | None = field(
        default=None, metadata=option("Number of grouped folds. Default: the official folds, else 5.", SPLIT)
    )
    show_leak: bool = field(
        default=False,
        metadata=option("Also train on random folds, to show what a split that ignores groups would claim.", SPLIT),
    )


@dataclass(frozen=True, kw_only=True)
class TuneCall(_Held):
    """What `earmark.tune` takes, without settings of the recipe."""

    out: StrPath = field(kw_only=False, metadata=option("Folder that takes tuned.toml and trials.csv.", OUTPUT))
    trials: int = field(
        default=20, metadata=option("Number of settings to try. The first trial is the recipe as it is.", TRAINING)
    )
    search: Sequence[str] = field(
        default=("lr", "mixup", "time_stretch", "frequency_mask", "fft_seconds", "n_mels"),
        metadata=option("Settings to search, separated by commas.", TRAINING),
    )


@dataclass(frozen=True, kw_only=True)
class EvaluateCall(DataOptions):
    """What `earmark.evaluate` takes."""

    model: StrPath = field(kw_only=False, metadata=option(_MODEL))
    data: StrPath = field(kw_only=False, metadata=option(DATA_SET))
    split: str = field(
        default="test", metadata=option("test: exclude clips that the model was trained on. all: take them too.", SPLIT)
    )
    per: Sequence[str] = field(
        default=(),
        metadata=option(
            "Columns that together name a machine, such as machine,id: metrics for each of them.", MACHINES
        ),
    )
    normal: str | None = field(
        default=None, metadata=option("Label of healthy machines. Default: found by its name.", MACHINES)
    )
    out: StrPath | None = field(
        default=None, metadata=option("Folder that takes metrics, predictions, tables and report.", OUTPUT)
    )
    overwrite: bool = field(default=False, metadata=option(OVERWRITE, OUTPUT))


@dataclass(frozen=True, kw_only=True)
class AdaptCall(DataOptions):
    """What `earmark.adapt` takes."""

    model: StrPath = field(kw_only=False, metadata=option("Anomaly detector: the bundle's folder or .zip."))
    data: StrPath = field(kw_only=False, metadata=option("Data set with a few normal clips of the new conditions."))
    out: StrPath = field(kw_only=False, metadata=option("Folder of the new bundle.", OUTPUT))
    machine: str | None = field(
        default=None,
        metadata=option("Machine of the clips; a new name adds one. Default: by the columns of the data.", MACHINES),
    )
    normal: str | None = field(
        default=None, metadata=option("Label of healthy machines. Default: found by its name.", MACHINES)
    )
    false_alarms: str | None = field(
        default=None,
        metadata=option("Rate to set the thresholds for: 5% of the windows, or 1/8h. Default: as before.", MACHINES),
    )
    overwrite: bool = field(default=False, metadata=option(OVERWRITE, OUTPUT))
