"""``earmark crossval``."""

from __future__ import annotations

from typing import Any

from earmark.cli import notes
from earmark.cli import options as o
from earmark.workflow.calls import CrossvalCall


@o.taking(CrossvalCall)
def crossval(*, json: o.Json = False, **given: Any) -> None:
    """Train a model per fold and pool their test metrics."""
    import earmark

    o.talk()
    shown = notes.remembered()
    result = earmark.crossval(**given)
    summary = result.to_dict()
    if json:
        o.show_json(summary)
    else:
        _show_folds(summary)
        o.show_metrics(summary)
        if given["show_leak"]:
            _show_leak(summary, given["seed"])
        notes.show(result.notes, shown)
        print(f"report    {result.report}")
    o.exit_for(len(result.skipped))


def _show_folds(summary: dict[str, Any]) -> None:
    """A line per fold, and their mean; what is undefined is a dash."""
    mean, deviation = summary["mean"], summary["std"]
    auc = "auc" in mean
    for fold in summary["folds"]:
        defined = fold.get("auc") is not None
        first = f"AUC {_three(fold['auc'])}" if defined else f"accuracy {_percent(fold['accuracy'])}"
        print(f"{fold['name']:14s} {first}  f1 {_three(fold['f1'])}  ({fold['n']} clips)")
    figure, shown = ("auc", _three) if auc else ("accuracy", _percent)
    count = sum(fold.get(figure) is not None for fold in summary["folds"])
    where = "" if count == len(summary["folds"]) else f" (of the {count} folds where it is defined)"
    spread = "" if deviation.get(figure) is None else f" ± {shown(deviation[figure]).removesuffix('%')}"
    print(f"mean of folds  {'AUC' if auc else figure} {shown(mean.get(figure))}{spread}{where}")


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}%"


def _show_leak(summary: dict[str, Any], seed: int) -> None:
    """Random and grouped folds side by side."""
    both = (summary, summary["random"])
    figure = "auc" if all(found["mean"].get("auc") is not None for found in both) else "accuracy"
    name = {"auc": "AUC"}.get(figure, figure)
    print(f"\nsplit     mean {name} of {len(summary['folds'])} folds, seed {seed}")
    for kind, found in (("random", summary["random"]), ("grouped", summary)):
        mean, deviation = found["mean"].get(figure), found["std"].get(figure)
        spread = "" if deviation is None else f" ± {100 * deviation:.1f}"
        each = " / ".join(_percent(fold.get(figure)).removesuffix("%") for fold in found["folds"])
        print(f"{kind:8s}  {_percent(mean)}{spread}  ({each})")
    random, grouped = (found["mean"].get(figure) for found in (summary["random"], summary))
    if random is None or grouped is None:
        print("leak      -  (undefined: one of the two has no mean)\n")
        return
    print(
        f"leak      {100 * (random - grouped):+.1f} points: what a random split claims beyond what holds for new groups\n"
    )
