"""Accuracy over the number of training clips a label: 5, 10, 20, all.

    python benchmarks/clips.py --data ../shared/data [--recipe fast] [--seeds 0 1 2]

The first fold of unseen sources or speakers tests, always with the same clips; the training clips are drawn from the others by the
seed. Prints a Markdown row for each data set.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

import numpy as np

import earmark
from earmark.data import splits
from runs import measure

COUNTS = (5, 10, 20, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--folders", nargs="+", default=["esc50", "mini_speech_commands"])
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    chosen = parser.parse_args()
    print(f"| {chosen.recipe}, clips a label | 5 | 10 | 20 | all |\n|---|---|---|---|---|")
    for name in chosen.folders:
        cells = []
        for count in COUNTS:
            found = [accuracy(chosen.data / name, count, seed, chosen.recipe) for seed in chosen.seeds]
            cells.append(
                f"{100 * statistics.mean(a for a, _ in found):.1f} % of {round(statistics.mean(n for _, n in found))} clips"
            )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def accuracy(data: Path, count: int, seed: int, recipe: str) -> tuple[float, int]:
    """Accuracy with this many training clips of each label, and how many these are in all."""
    manifest = earmark.read(data)
    split = splits.holdout(manifest, test_fold="1")
    labels = manifest.table["label"].to_numpy()[split.train]
    rng = np.random.default_rng(seed)
    train = [rng.permutation(split.train[labels == label])[: count or None] for label in manifest.labels]
    rows = np.concatenate([*train, split.test])
    table = manifest.table.iloc[rows][["path", "label", "group"]]
    parts = ["train"] * (len(rows) - len(split.test)) + ["test"] * len(split.test)
    with tempfile.TemporaryDirectory() as folder:
        paths = [str((manifest.root / path).resolve()) for path in table["path"]]
        table.assign(path=paths, split=parts).to_csv(Path(folder) / "metadata.csv", index=False)
        found = measure([folder, "--recipe", recipe, "--seed", str(seed)])
    return found["accuracy"], len(rows) - len(split.test)


if __name__ == "__main__":
    main()
