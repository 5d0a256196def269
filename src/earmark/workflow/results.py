"""What a verb gives back: metrics, tables, model and report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from earmark.errors import AudioError, BundleError, EarmarkError, OutputError
from earmark.support import display
from earmark.tasks.words import percent, three

if TYPE_CHECKING:
    from earmark.figures.plots import Figure
    from earmark.inference.model import Model

PREDICTIONS = "predictions.csv"
REPORT = "report.html"
CROSSVAL = "crossval.json"
_HISTORY = ("epoch", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy")


@dataclass(frozen=True, repr=False, eq=False)
class Result:
    """What training, cross-validation, evaluation or adaptation gave.

    Attributes
    ----------
    folder : Path or None
        As `path`; None where nothing was to be written.
    metrics : dict
        As `earmark.evaluation.classification.measure`; empty where nothing was tested.
    notes : tuple of str
        What a reader of the metrics must know.
    skipped : tuple of AudioError
        Why clips were excluded, one each.
    accounting : dict
        ``files``: what became of every file of the data set; ``columns``: what every column of its tables holds.
    further : dict
        Of a cross-validation ``folds``, ``mean``, ``std`` and ``random``; of an evaluation ``trained_on``.
    """

    folder: Path | None
    metrics: dict[str, Any]
    notes: tuple[str, ...] = ()
    skipped: tuple[AudioError, ...] = ()
    accounting: Mapping[str, Any] = field(default_factory=dict)
    further: Mapping[str, Any] = field(default_factory=dict)
    measured: pd.DataFrame | None = None

    @property
    def path(self) -> Path:
        """The bundle, or the folder of the cross-validation or evaluation.

        Raises
        ------
        OutputError
            Where nothing was written, since no folder was given.
        """
        if self.folder is None:
            raise OutputError("nothing was written; give out=FOLDER to keep metrics, predictions and report")
        return self.folder

    @property
    def model(self) -> Model:
        """The trained model, loaded for prediction.

        Raises
        ------
        BundleError
            Where the result has none: a cross-validation has one for each fold, an evaluation measures one.
        """
        from earmark import bundle
        from earmark.inference.model import load

        if self.folder is None or not (self.folder / bundle.DESCRIPTION).exists():
            raise BundleError(f"{self.folder or 'this result'}: holds no model of its own; load one with earmark.load")
        return load(self.folder)

    @property
    def predictions(self) -> pd.DataFrame:
        """A row for each tested clip: label, prediction, group and every score; empty where nothing was tested."""
        if self.measured is not None:
            return self.measured.copy()
        place = None if self.folder is None else self.folder / PREDICTIONS
        return pd.read_csv(place, keep_default_na=False) if place is not None and place.exists() else pd.DataFrame()

    @property
    def history(self) -> pd.DataFrame:
        """A row for each epoch, from 1: loss and accuracy of training and validation; empty where nothing was fitted."""
        place = None if self.folder is None else self.folder / "logs" / "metrics.csv"
        if place is None or not place.exists():
            return pd.DataFrame()
        found = pd.read_csv(place)
        found["epoch"] = found["epoch"].astype(int) + 1
        return found[[name for name in _HISTORY if name in found.columns]]

    def plot_history(self, *, dark: bool = False) -> Figure:
        """The learning curves; the epochs in which clips are not mixed are shaded.

        Raises
        ------
        BundleError
            Where nothing was fitted.
        """
        from earmark.figures import plots

        made = self.model.spec.provenance.get("recipe", {})
        mixes = made.get("mixup") or made.get("cutmix")
        rows = self.history.assign(epoch=self.history["epoch"] - 1).to_dict("records")
        return plots.learning_curves(rows, rests=made.get("unmixed", 0.0) if mixes else 0.0, dark=dark)

    def plot_confusion(self, *, dark: bool = False) -> Figure:
        """The confusion matrix.

        Raises
        ------
        EarmarkError
            Where there is none: nothing was tested, or the data are multi-label.
        """
        from earmark.figures import plots

        if self.metrics.get("confusion") is None:
            raise EarmarkError("there is no confusion matrix: nothing was tested, or the data are multi-label")
        return plots.confusion_matrix(self.metrics["confusion"], self.metrics["labels"], dark=dark)

    @property
    def per_class(self) -> pd.DataFrame:
        """Precision, recall, F1 and number of clips of each label."""
        return pd.DataFrame.from_dict(self.metrics.get("per_class", {}), orient="index").rename_axis("label")

    @property
    def machines(self) -> pd.DataFrame:
        """Metrics of each machine, where machines were named."""
        return pd.DataFrame(self.metrics.get("machines", []))

    @property
    def folds(self) -> pd.DataFrame:
        """Metrics of each fold of a cross-validation."""
        return pd.DataFrame(self.further.get("folds", []))

    @property
    def confusion(self) -> pd.DataFrame:
        """How many clips of each label (rows) were predicted as which (columns); empty for multi-label data."""
        labels = self.metrics.get("labels", [])
        counts = self.metrics.get("confusion")
        names = pd.Index(labels, name="label")
        return pd.DataFrame() if counts is None else pd.DataFrame(counts, names, pd.Index(labels, name="predicted"))

    @property
    def report(self) -> Path | None:
        """The report, a page for any browser; None where none was written."""
        place = None if self.folder is None else self.folder / REPORT
        return place if place is not None and place.exists() else None

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``: the metrics, and what became of the data."""
        skipped = [{"path": e.source, "error": str(e)} for e in self.skipped]
        return {**self.metrics, **self.further, "skipped": skipped, "notes": list(self.notes), **self.accounting}

    def __repr__(self) -> str:
        where = "" if self.folder is None else f"{str(self.folder)!r}, "
        return f"Result({where}{_headline(self.metrics)})"

    def _repr_html_(self) -> str:
        rows = [[name, three(row.get("precision")), three(row.get("recall")), three(row.get("f1")), str(row["n"])]
                for name, row in self.metrics.get("per_class", {}).items()]  # fmt: skip
        header = ("label", "precision", "recall", "F1", "clips") if rows else ()
        note = f"report: {self.report}" if self.report else ""
        return display.table(_headline(self.metrics), rows, header=header, note=note)


def _headline(metrics: Mapping[str, Any]) -> str:
    """The main metric, with its interval, in a few words."""
    if not metrics:
        return "nothing was tested"
    if metrics.get("accuracy") is None and metrics.get("auc") is not None:
        return f"AUC {three(metrics['auc'])} ({metrics['n']} clips)"
    low, high = metrics.get("accuracy_interval") or (None, None)
    between = "" if low is None else f", 95% interval {percent(low)} to {percent(high)}"
    return f"accuracy {percent(metrics.get('accuracy'))} ({metrics['n']} clips{between})"
