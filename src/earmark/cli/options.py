"""Options and output that several verbs share."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from earmark.cli import wording
from earmark.support.keywords import Option, described

if TYPE_CHECKING:
    from earmark.types import Prediction

Bundle = Annotated[Path, typer.Argument(help="Trained model: the bundle's folder or .zip.", show_default=False)]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document on standard output, nothing else.", rich_help_panel="Output"),
]
Machine = Annotated[
    str | None,
    typer.Option(help="Which of the model's machines it is. Default: found by its sound.", show_default=False),
]
Seed = Annotated[int, typer.Option(help="Seed of the data, the weights, the order and the augmentation.")]

_TYPES: dict[str, Any] = {
    "StrPath": Path, "StrPath | None": Path | None, "Sequence[str]": str, "str": str, "str | None": str | None, "int": int,
    "int | None": int | None, "float": float, "bool": bool, "StrPath | Sequence[StrPath]": list[Path],
    "str | tuple[int, int] | None": str | None,
}  # fmt: skip


def taking(call: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the arguments and options of a call, before its own; it gets them as keywords."""

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind == p.KEYWORD_ONLY]
        taken = [_parameter(f, said) for f, said in described(call).values()]

        @functools.wraps(command)
        def called(**given: Any) -> None:
            command(**given)

        both = [*taken, *own]
        called.__signature__ = inspect.Signature(both)  # type: ignore[attr-defined]
        called.__annotations__ = {p.name: p.annotation for p in both}
        return called

    return decorated


def _parameter(field: dataclasses.Field[Any], said: Option) -> inspect.Parameter:
    """A keyword as typer takes it; what is required has no default, and what has no default by nature shows none."""
    kind = _TYPES[str(field.type)]
    help = wording.for_shell(said.help).replace("[", r"\[")
    default: Any = inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default
    if kind is str and isinstance(default, tuple):
        default = ",".join(default)
    shown = default not in (inspect.Parameter.empty, None, "", (), False)
    if not said.group:
        about: Any = typer.Argument(help=help, show_default=False, metavar=field.name.upper())
    else:
        flag = (said.flag or "--" + field.name.replace("_", "-"),)
        about = typer.Option(*flag, help=help, show_default=shown, rich_help_panel=said.group)
    if said.repeated and kind is str:
        kind, about.default_factory, default = list[str], list, inspect.Parameter.empty
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, about]
    )


def talk() -> None:
    """Show the library's remarks on standard error."""
    logger = logging.getLogger("earmark")
    for known in [h for h in logger.handlers if h.get_name() == "earmark"]:
        logger.removeHandler(known)  # an earlier call in this process may have had another standard error
    handler = logging.StreamHandler(sys.stderr)
    handler.set_name("earmark")
    handler.setFormatter(wording.Formatter("%(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
    logger.setLevel(logging.INFO)


def say(text: str, *, file: TextIO | None = None) -> None:
    """Print what the library says, in words of the command line."""
    print(wording.for_shell(text), file=file or sys.stdout)


def show_json(document: Any) -> None:
    """Print one JSON document."""
    import json

    print(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False))


def shown_as_json(predictions: Iterable[Prediction]) -> Iterator[Prediction]:
    """Print each prediction as it comes, a line each; together they are one JSON list, which is not closed where they break off."""
    import json

    start = "[\n"
    for prediction in predictions:
        print(start + json.dumps(prediction.to_dict(), ensure_ascii=False, allow_nan=False), end="", flush=True)
        start = ",\n"
        yield prediction
    print("\n]")


def show_metrics(metrics: dict[str, Any]) -> None:
    """Print the main figures as a person reads them."""
    if "false_alarm_rate" in metrics:
        _show_detection(metrics)
    else:
        _show_classification(metrics)
    if "machines" in metrics:
        _show_machines(metrics)


def _show_classification(metrics: dict[str, Any]) -> None:
    """Figures of a classifier; what is undefined is a dash and the reason."""
    why = f"-  ({metrics.get('undefined') or 'undefined for every label'})"
    if "map" in metrics:
        about = "(mean average precision; accuracy counts clips with exactly the right labels)"
        print(f"map       {why}" if metrics["map"] is None else f"map       {metrics['map']:.3f}  {about}")
    if metrics["accuracy"] is None:
        print(f"accuracy  {why}")
    else:
        low, high = metrics["accuracy_interval"]
        print(
            f"accuracy  {100 * metrics['accuracy']:.1f}%  (95% interval {100 * low:.1f} to {100 * high:.1f}, "
            f"{metrics['n']} clips)"
        )
    known = metrics.get("n_known", metrics["n"])
    about = "" if known == metrics["n"] else f"  (of the {known} clips whose label the model knows)"
    for name in ("precision", "recall", "f1", "loss"):
        words = about if name == "loss" else "  (macro)"
        print(f"{name:9s} {why if metrics[name] is None else f'{metrics[name]:.3f}{words}'}")


def _show_detection(metrics: dict[str, Any]) -> None:
    """Figures of an anomaly detector."""
    for name in ("auc", "pauc"):
        text = (
            "-  (undefined: one of the two conditions is missing)" if metrics[name] is None else f"{metrics[name]:.3f}"
        )
        if name == "auc" and metrics["auc_interval"]:
            text += "  (95% interval {:.3f} to {:.3f})".format(*metrics["auc_interval"])
        print(f"{name:9s} {text}")
    print(f"at the threshold, {metrics['n']} clips:")
    why = "no abnormal clip" if metrics["recall"] is None else "no clip is flagged"
    for name in ("precision", "recall", "f1"):
        print(f"{name:9s} {f'-  (undefined: {why})' if metrics[name] is None else f'{metrics[name]:.3f}'}")
    rate = metrics["false_alarm_rate"]
    if rate["seen"] is not None:
        print(
            f"false alarms: {_short(100 * rate['seen'])}% of {rate['n']} normal clips ({_between(rate['interval'])}), stated "
            f"{_short(100 * rate['stated'])}% of the windows"
            + (f" (by the clips learnt from {_between(rate['stated_interval'])})" if rate["stated_interval"] else "")
        )
        if metrics["false_alarms_per_hour"] is not None:
            print(f"false alarms an hour of normal clips: {_short(metrics['false_alarms_per_hour'])}")
    watch = metrics.get("watch")
    if watch:
        delay = "" if watch["delay"] is None else f", after {watch['delay']:.1f} s in the median"
        print(
            f"long recordings: {watch['found']} of {watch['faults']} faults found{delay}; {watch['false_alarms']} false alarms in "
            f"{watch['normal_hours']:.2f} h"
        )


def _short(value: float) -> str:
    """Two digits, or all before the point: never an exponent for 100 and above."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _between(interval: list[float]) -> str:
    """An interval of shares."""
    low, high = interval
    return f"95%: {_short(100 * low)} to {_short(100 * high)}"


def _show_machines(metrics: dict[str, Any]) -> None:
    """A row per machine."""
    rows = metrics["machines"]
    width = max(7, *(len(row["machine"]) for row in rows))
    print(f"\n{'machine':{width}}  precision  recall  accuracy    AUC      n")
    for row in [*rows, {"machine": "mean", "n": "", "note": "", **metrics["over_machines"]["mean"]}]:
        shown = [
            f"{'-':>{size}}"
            if row[name] is None
            else f"{100 * row[name]:{size - 1}.1f}%"
            if percent
            else f"{row[name]:{size}.3f}"
            for name, size, percent in (
                ("precision", 9, True),
                ("recall", 6, True),
                ("accuracy", 8, True),
                ("auc", 5, False),
            )
        ]
        note = f"  {row['note']}" if row["note"] else ""
        print(f"{row['machine']:{width}}  {'  '.join(shown)}  {row['n']:>5}{note}")
    harmonic = metrics["over_machines"]["harmonic_mean"]
    if harmonic["auc"] is not None:
        print(f"harmonic mean over machines: AUC {harmonic['auc']:.3f}, pAUC {harmonic['pauc']:.3f}")


def show_classes(metrics: dict[str, Any]) -> None:
    """Print a row per label."""
    names = ("precision", "recall", "f1", *(("ap",) if "map" in metrics else ()))
    width = max(5, *(len(label) for label in metrics["labels"]))
    print(f"\n{'label':{width}}  precision  recall     f1{'     ap' if 'map' in metrics else ''}      n")
    for label, row in metrics["per_class"].items():
        cells = [
            f"{'-':>{size}}" if row[name] is None else f"{row[name]:{size}.3f}"
            for name, size in zip(names, (9, 6, 5, 5), strict=False)
        ]
        note = f"  {row['note']}" if row.get("note") else ""
        print(f"{label:{width}}  {'  '.join(cells)}  {row['n']:5d}{note}")


def exit_for(skipped: int) -> None:
    """Exit with 1 where some inputs failed."""
    if skipped:
        raise typer.Exit(1)
