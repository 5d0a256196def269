"""The report and the model card, from templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from earmark import tasks
from earmark.bundle import BundleSpec
from earmark.figures import plots
from earmark.figures.plots import Figure
from earmark.tasks import Task

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("earmark.figures"), autoescape=jinja2.select_autoescape(["html"]),
    trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined,
)  # fmt: skip


def page(
    title: str,
    metrics: Mapping[str, Any],
    task: Task,
    *,
    facts: Mapping[str, Any],
    notes: Sequence[str] = (),
    skipped: Sequence[str] = (),
    history: Sequence[Mapping[str, float]] = (),
    rests: float = 0.0,
    folds: Sequence[Mapping[str, Any]] = (),
    figures: Sequence[tuple[str, Figure]] = (),
) -> str:
    """One self-contained HTML page.

    Parameters
    ----------
    title : str
    metrics : mapping
        As `earmark.evaluation.classification.measure` gives them; empty where nothing was tested. With ``auc`` and
        ``false_alarm_rate`` they are a detector's; ``machines``, ``over_machines`` and ``watch`` add tables. What is absent or None
        is a dash.
    task : Task
        Whose figures they are.
    facts : mapping
        Rows of the table on data and protocol.
    notes, skipped : sequence of str
        What a reader of the figures must know, and the recordings that were excluded.
    history : sequence of mapping
        As `earmark.training.fitting.history` gives it.
    rests : float
        As for `earmark.figures.plots.learning_curves`.
    folds : sequence of mapping
        Name and metrics of each fold.
    figures : sequence of (str, Figure)
        Caption and figure of what shows why recordings are unusual.
    """
    return _TEMPLATES.get_template("report.html").render(
        title=title,
        metrics=metrics,
        task=task,
        facts=facts,
        notes=notes,
        skipped=skipped,
        folds=folds,
        figures=[(caption, plots.data_uri(figure)) for caption, figure in figures],
        confusion=_confusion(metrics) if task.CONFUSION else "",
        rests=rests,
        curves=plots.data_uri(plots.learning_curves(history, rests=rests)) if history else "",
    )


def _confusion(metrics: Mapping[str, Any]) -> str:
    """The figure; nothing without counts, or where a clip may have several labels, so that none is mistaken for another."""
    if not {"confusion", "labels"} <= metrics.keys():
        return ""
    return plots.data_uri(plots.confusion_matrix(metrics["confusion"], metrics["labels"]))


def model_card(spec: BundleSpec, notes: Sequence[str]) -> str:
    """The bundle's README."""
    task = tasks.of(spec)
    return _TEMPLATES.get_template("card.md").render(
        spec=spec, metrics=spec.metrics, provenance=spec.provenance, notes=notes, words=task.card(spec),
        rows=task.card_rows(spec.metrics) if spec.metrics else [],
    )  # fmt: skip
