"""Shortcuts: which facts of the files predict the label in real data sets, how often made-up ones are found, and the time.

    python benchmarks/shortcuts.py --data ../shared/data

Real data sets: balanced accuracy of each fact on held-out groups, for all labels and for the one it tells best from the others.
Made-up ones: the same sound in all labels, but one fact differs in one of them; the share of draws in which it is found, and of
draws in which something else is. By chance: facts of all kinds that have nothing to do with the label.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from earmark.data import layouts
from earmark.data.inspection import inspect
from earmark.data.shortcuts import FACTS, shortcuts, table_of
from earmark.data.shortcuts.association import Association, Design

SETS = ("esc50", "fsdd", "mini_speech_commands", "ravdess", "propeller_mimii", "mimii_sample")
DIFFERENT: dict[str, tuple[str, Any]] = {
    "two rates": ("sample rate", 44_100), "mono and stereo": ("channels", 2), "two codecs": ("encoding", "MP3"),
    "two days": ("date", "2024-05-02"), "20 dB": ("level", -40.0), "6 dB": ("level", -26.0), "two lengths": ("length", 3.0),
    "0.3 s of silence": ("silence at the end", 0.3),
}  # fmt: skip
DESIGNS: dict[str, tuple[list[int], float, int]] = {  # recordings of each label, share of the first that differs, size of groups
    "2 labels of 14": ([14, 14], 1.0, 1), "2 labels of 14, 80% of one": ([14, 14], 0.8, 1), "2 labels of 6": ([6, 6], 1.0, 1),
    "2 labels of 6, 80% of one": ([6, 6], 0.8, 1), "2 labels of 5": ([5, 5], 1.0, 1), "100 and 12": ([100, 12], 1.0, 1),
    "12 and 100, 80% of one": ([12, 100], 0.8, 1), "3 labels of 6": ([6] * 3, 1.0, 1),
    "3 labels of 14, 80% of one": ([14] * 3, 0.8, 1),
    "10 labels of 10, 80% of one": ([10] * 10, 0.8, 1), "2 labels of 6 groups of 5": ([30, 30], 1.0, 5),
    "2 labels of 10 groups of 5, 80% of one": ([50, 50], 0.8, 5),
}  # fmt: skip


def real(root: Path) -> None:
    """One row per fact that varies."""
    table = layouts.find(root).table.drop_duplicates("path")
    facts = table_of([found for path in table["path"] if (found := inspect(root / path, path).facts)])
    labels, groups = list(table["label"]), list(table["group"])
    begin = time.perf_counter()
    found = {shortcut.fact: shortcut for shortcut in shortcuts(facts, labels, groups)}
    seconds = time.perf_counter() - begin
    design = Design.of(labels, groups, 0)
    if design is None:
        return
    for fact in FACTS:
        if fact.name not in facts or facts[fact.name].nunique() < 2:
            continue
        all_labels, *ones = Association([(fact, facts[fact.name].iloc[design.rows])], design).skills()[0]
        chance = 1 / len(design.labels)
        best = max(range(len(ones)), key=lambda i: ones[i], default=None)
        one = "" if best is None else f"{50 + 50 * ones[best]:.1f}% {design.labels[best]}"
        reported = "yes" if fact.name in found else ""
        print(
            f"| {root.name}, {len(labels)} recordings, {design.groups} groups, {seconds:.1f} s | {fact.name} "
            f"| {100 * (chance + all_labels * (1 - chance)):.1f}% | {100 * chance:.1f}% | {one} | {reported} |",
            flush=True,
        )
    for shortcut in found.values():
        print(f"|  {shortcut.sentence} | | | | | |")


def same_sound(sizes: list[int], group: int, rng: np.random.Generator) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Facts of recordings of the same noise by the same recorder, labels and groups."""
    labels = [f"label{i}" for i, size in enumerate(sizes) for _ in range(size)]
    groups = [f"{i}_{k // group}" for i, size in enumerate(sizes) for k in range(size)]
    count = len(labels)
    facts = pd.DataFrame({
        "sample rate": 16_000, "channels": 1, "encoding": "WAV PCM_16", "date": "2024-05-01",
        "level": rng.normal(-20, 0.05, count), "peak": rng.normal(-6, 0.3, count), "length": 2.0,
        "silence at the start": 0.0, "silence at the end": 0.0,
    })  # fmt: skip
    return facts, labels, groups


def made_up(name: str, draws: int) -> None:
    """One row per design: share of draws in which each difference is found."""
    sizes, share, group = DESIGNS[name]
    cells, others = [], 0
    for fact, value in DIFFERENT.values():
        hits = 0
        for draw in range(draws):
            rng = np.random.default_rng(draw)
            facts, labels, groups = same_sound(sizes, group, rng)
            own = sorted({g for g, label in zip(groups, labels, strict=True) if label == "label0"})
            chosen = set(rng.permutation(own)[: round(share * len(own))])
            facts.loc[[g in chosen for g in groups], fact] = value
            found = {shortcut.fact for shortcut in shortcuts(facts, labels, groups, seed=draw)}
            hits += fact in found
            others += bool(found - {fact})
        cells.append(f"{100 * hits / draws:.0f}%")
    print(f"| {name} | {' | '.join(cells)} | {100 * others / draws / len(DIFFERENT):.1f}% |", flush=True)


def unrelated(count: int, rng: np.random.Generator) -> pd.DataFrame:
    """Facts of recordings from many devices."""
    return pd.DataFrame(
        {
            "sample rate": rng.choice([16_000, 44_100, 48_000], count, p=[0.2, 0.5, 0.3]),
            "channels": rng.choice([1, 2], count),
            "encoding": rng.choice(["WAV PCM_16", "MP3", "FLAC PCM_16"], count),
            "date": [f"2024-05-{day:02d}" for day in rng.integers(1, 20, count)],
            "level": rng.normal(-30, 8, count),
            "peak": rng.normal(-6, 4, count),
            "length": np.exp(rng.normal(size=count)),
            "silence at the start": np.maximum(0, rng.normal(size=count)),
            "silence at the end": np.maximum(0, rng.normal(size=count)),
        }
    )


def by_chance(sizes: list[int], draws: int) -> None:
    """Share of draws in which something is reported where nothing is."""
    labels = [f"label{i}" for i, size in enumerate(sizes) for _ in range(size)]
    groups = [str(i) for i in range(len(labels))]
    wrong = sum(bool(shortcuts(unrelated(len(labels), np.random.default_rng(d)), labels, groups)) for d in range(draws))
    print(
        f"| {len(sizes)} labels of {', '.join(map(str, sorted(set(sizes))))} | {100 * wrong / draws:.1f}% of {draws} |",
        flush=True,
    )


def timed(count: int, labels: int) -> None:
    """Time where there are shortcuts of both kinds, so that all is shuffled."""
    rng = np.random.default_rng(0)
    facts, label = unrelated(count, rng), rng.integers(labels, size=count)
    facts.loc[label == 0, "sample rate"] = 8_000
    facts.loc[label == 1, "level"] -= 60
    begin = time.perf_counter()
    found = shortcuts(facts, [str(x) for x in label], [str(i) for i in range(count)])
    print(
        f"| {count} recordings, {labels} labels, {len(found)} found | {time.perf_counter() - begin:.1f} s |", flush=True
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--draws", type=int, default=20)
    chosen = parser.parse_args()
    print(
        "| data set | fact | accuracy | guessing | best of one label against the others | reported |\n|---|---|---|---|---|---|"
    )
    for name in SETS:
        if (chosen.data / name).is_dir():
            real(chosen.data / name)
    print(f"\n| made up | {' | '.join(DIFFERENT)} | anything else |\n|---|{'---|' * len(DIFFERENT)}---|")
    for name in DESIGNS:
        made_up(name, chosen.draws)
    print("\n| by chance | reported |\n|---|---|")
    for sizes in ([5, 5], [14, 14], [50, 10], [6] * 5, [20] * 10):
        by_chance(sizes, 5 * chosen.draws)
    print("\n| time | |\n|---|---|")
    for count, labels in ((2_000, 2), (2_000, 50), (20_000, 2), (20_000, 50)):
        timed(count, labels)


if __name__ == "__main__":
    main()
