"""Accuracy on real recordings, by the clean protocol: last epoch, default recipe, nothing chosen on a test fold.

    python benchmarks/accuracy.py esc50 fsdd speech-commands propellers --data ../shared/data

Prints one Markdown row per data set for RESULTS.md; the bundles stay in --out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

import earmark


def esc50(data: Path, out: Path, options: earmark.TrainOptions) -> str:
    found = earmark.crossval(data / "esc50", out, options=options)
    return f"{_folds(found)}; mean {_percent(found['mean']['accuracy'])}, pooled {_percent(found['accuracy'])}"


def fsdd(data: Path, out: Path, options: earmark.TrainOptions) -> str:
    return f"official split {_percent(earmark.train(data / 'fsdd', out, options=options).metrics['accuracy'])}"


def speech_commands(data: Path, out: Path, options: earmark.TrainOptions) -> str:
    result = earmark.train(data / "mini_speech_commands", out, options=options)
    return f"unseen speakers {_percent(result.metrics['accuracy'])} of {result.metrics['n']} clips"


def propellers(data: Path, out: Path, options: earmark.TrainOptions) -> str:
    found = earmark.crossval(data / "propeller_mimii", out, folds=4, options=options)
    table = pd.read_csv(out / "predictions.csv")
    ids = ", ".join(f"{name} {_percent(share)}" for name, share in table.groupby("id")["correct"].mean().items())
    return f"{ids}; {_folds(found)}"


def ravdess(data: Path, out: Path, options: earmark.TrainOptions) -> str:
    found = earmark.crossval(data / "ravdess", out, folds=4, options=options)
    return f"unseen actors {_folds(found)}; pooled {_percent(found['accuracy'])}"


TASKS: dict[str, Callable[[Path, Path, earmark.TrainOptions], str]] = {
    "esc50": esc50,
    "fsdd": fsdd,
    "speech-commands": speech_commands,
    "propellers": propellers,
    "ravdess": ravdess,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "tasks", nargs="*", choices=list(TASKS), default=["esc50", "fsdd", "speech-commands", "propellers"]
    )
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "earmark-accuracy")
    parser.add_argument("--recipe", default="auto")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    chosen = parser.parse_args()
    for task in chosen.tasks:
        for seed in chosen.seeds:
            options = earmark.TrainOptions(recipe=chosen.recipe, settings=chosen.settings, seed=seed, overwrite=True)
            begin = time.monotonic()
            figures = TASKS[task](chosen.data, chosen.out / f"{task}-{seed}", options)
            minutes = (time.monotonic() - begin) / 60
            print(f"| {task} | {chosen.recipe} | {seed} | {figures} | {minutes:.1f} min |", flush=True)


def _folds(found: dict[str, Any]) -> str:
    return "folds " + " / ".join(f"{100 * f['accuracy']:.1f}" for f in found["folds"])


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    main()
