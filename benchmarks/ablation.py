"""Each idea of the recipes by itself: what it gains and what it costs. Writes ablation.md; a second call goes on where one stopped.

    python benchmarks/ablation.py --data ../shared/data [--rows esc50] [--seeds 1 2] [--minutes 60]

The base is `fast` as shipped; of ESC-50 with the tempo that it had until this table showed its cost, of FSDD with fewer steps. An
idea that it has is taken out, one that it lacks is put in, and all else is left alone. ESC-50's fold 1 takes no part (folds 2 and 3
train and test in turn), nor does one of FSDD's speakers; RAVDESS is split by another seed and into other parts than in RESULTS.md.
So no reported fold was searched on as it stands, but its clips are no strangers.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from earmark.training import recipe
from runs import measure

HERE = Path(__file__).parent
LINES, TABLE = HERE / "ablation.jsonl", HERE / "ablation.md"
BEGIN, END = "<!-- ideas: made by benchmarks/ablation.py -->", "<!-- ideas end -->"

IDEAS = {
    "blocks of other clips (CutMix)": ("cutmix=0.5", "cutmix=0"),
    "mixup": ("mixup=1", "mixup=0"),
    "another microphone (FilterAugment)": ("filter_db=6", "filter_db=0"),
    "levels of other clips (mixstyle)": ("mixstyle=0.4", "mixstyle=0"),
    "warped frequency axis": ("mel_warp=0.2", "mel_warp=0"),
    "tempo": ("time_stretch=0.3", "time_stretch=0"),
    "level": ("gain_db=6", "gain_db=0"),
    "masks (SpecAugment)": ("time_masks=2 frequency_masks=2", "time_masks=0 frequency_masks=0"),
    "rooms": ("reverb=0.3", "reverb=0"),
    "noise": ("noise=0.3", "noise=0"),
    "levels of the windows taken out": ("level_range_db=35", "level_range_db=0"),
    "averaged weights": ("ema=0.05", "ema=0"),
    "focal loss": ("focal=1", "focal=0"),
    "its own opinion (bootstrap)": ("bootstrap=0.1", "bootstrap=0"),
    "two networks side by side": ("members=2", "members=1"),
    "two teachers": ("teachers=2", "teachers=0"),
    "half as wide again": ("width=1.5", "width=1"),
    "more weight decay": ("weight_decay=0.1", "weight_decay=0.02"),
    "mixing rests at the end": ("unmixed=0.2", "unmixed=0"),
    "coarse frames": ("long_fft_seconds=0.064 long_hop_seconds=0.032", "long_fft_seconds=0.032 long_hop_seconds=0.016"),
}
"""Name to the settings that put it in, and those that take it out."""


def esc50(data: Path, folder: Path) -> list[str]:
    """Folds 2 and 3 alone."""
    table = pd.read_csv(data / "esc50" / "meta" / "esc50.csv")
    table = table[table["fold"] != 1]
    (folder / "meta").mkdir()
    (folder / "audio").mkdir()
    table.to_csv(folder / "meta" / "esc50.csv", index=False)
    for name in table["filename"]:
        shutil.copy(next((data / "esc50" / "audio").glob(f"{Path(name).stem}.*")), folder / "audio")
    return [str(folder)]


def fsdd(data: Path, folder: Path) -> list[str]:
    """Without the first speaker; folders of digits, so that no official split is in the way."""
    for path in sorted((data / "fsdd" / "recordings").glob("*.wav")):
        digit, _, rest = path.name.partition("_")
        if not rest.startswith("george"):
            (folder / digit).mkdir(exist_ok=True)
            shutil.copy(path, folder / digit / rest)
    return [str(folder), "--folds", "4", "--group-pattern", "[^/]+/([a-z]+)_"]


def ravdess(data: Path, folder: Path) -> list[str]:
    """Nine actors train, three test."""
    del folder
    return [str(data / "ravdess"), "--folds", "4"]


@dataclass(frozen=True)
class Row:
    """Kind of recipe, settings of the base, folds that test in turn, and what makes the data and the arguments that name them."""

    kind: str
    settings: str
    folds: tuple[str, ...]
    made: Callable[[Path, Path], list[str]]


ROWS = {
    "esc50": Row("general", "time_stretch=0.3 epochs_a_label=1.45", ("2", "3"), esc50),
    "fsdd": Row("speech", "min_steps=800 epochs=15", ("1", "2"), fsdd),
    "ravdess": Row("speech", "", ("1", "2"), ravdess),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no run after so many")
    chosen = parser.parse_args()
    end = time.monotonic() + 60 * chosen.minutes
    lines = [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []
    for seed, row in itertools.product(chosen.seeds, chosen.rows):
        with tempfile.TemporaryDirectory() as folder:
            arguments: list[str] = []
            for idea, fold in itertools.product(["", *IDEAS], ROWS[row].folds):
                how = settings(row, idea)
                key = {"row": row, "idea": idea, "fold": fold, "seed": seed, "base": base(row), "how": how}
                if any(key.items() <= line.items() for line in lines) or time.monotonic() > end:
                    continue
                arguments = arguments or ROWS[row].made(chosen.data, Path(folder))
                found = measure([*arguments, "--test-fold", fold, *how, "--seed", str(seed)])
                lines.append({**key, **found})
                with LINES.open("a") as file:
                    file.write(json.dumps(lines[-1]) + "\n")
                print(json.dumps(lines[-1]), flush=True)
                write(lines)
    write(lines)


def values(row: str) -> dict[str, Any]:
    """What the base comes to."""
    return recipe.load(f"fast+{ROWS[row].kind}", ROWS[row].settings.split()).to_dict()


def base(row: str) -> str:
    """Digest of the base."""
    return hashlib.sha256(json.dumps(values(row), sort_keys=True).encode()).hexdigest()[:12]


def has(row: str, idea: str) -> bool:
    """Whether the base has an idea: whether taking it out changes anything."""
    changes = [*ROWS[row].settings.split(), *IDEAS[idea][1].split()]
    return recipe.load(f"fast+{ROWS[row].kind}", changes).to_dict() != values(row)


def settings(row: str, idea: str) -> list[str]:
    """Arguments of the base with one idea put in or taken out."""
    changed = IDEAS[idea][has(row, idea)].split() if idea else []
    words = [*ROWS[row].settings.split(), *changed]
    return ["--recipe", f"fast+{ROWS[row].kind}", *(word for s in words for word in ("--set", s))]


def joined(lines: list[dict[str, Any]], row: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Figures of all folds together by idea and seed, of today's base, where every fold was measured."""
    found: dict[tuple[str, int], dict[str, dict[str, Any]]] = {}
    for line in lines:
        if line["row"] == row and line["base"] == base(row) and line["how"] == settings(row, line["idea"]):
            found.setdefault((line["idea"], line["seed"]), {})[line["fold"]] = line
    means: dict[tuple[str, int], dict[str, Any]] = {}
    for key, folds in found.items():
        if len(folds) == len(ROWS[row].folds):
            count = sum(x["n"] for x in folds.values())
            mean = {k: sum(x[k] * x["n"] for x in folds.values()) / count for k in ("accuracy", "loss")}
            means[key] = {**mean, "n": count, "seconds": statistics.mean(x["seconds"] for x in folds.values())}
    return means


def write(lines: list[dict[str, Any]]) -> None:
    """Put the table of all current lines between the marks of ablation.md."""
    shown = ["| data | idea | in the base | gain in points, of each seed | loss | time |", "|---|---|---|---|---|---|"]
    for row in ROWS:
        current = joined(lines, row)
        plain = [figures for (idea, _), figures in current.items() if not idea]
        if plain:
            accuracy = " ".join(f"{100 * x['accuracy']:.1f} %" for x in plain)
            seconds = statistics.median(x["seconds"] for x in plain)
            loss = statistics.mean(x["loss"] for x in plain)
            how = " ".join(["fast", *ROWS[row].settings.split()])
            shown.append(
                f"| {row}, {plain[0]['n']} clips test | the base, {how} | | {accuracy} | {loss:.2f} | {seconds:.0f} s |"
            )
        for idea in IDEAS:
            pairs = [
                (current[i, seed], current["", seed]) for i, seed in current if i == idea and ("", seed) in current
            ]
            if pairs:
                sign = -1 if has(row, idea) else 1
                gains = [sign * 100 * (a["accuracy"] - b["accuracy"]) for a, b in pairs]
                loss = sign * statistics.mean(a["loss"] - b["loss"] for a, b in pairs)
                cost = statistics.median(a["seconds"] / b["seconds"] for a, b in pairs) ** sign
                inside = "yes" if sign < 0 else "no"
                shown.append(
                    f"| | {idea} | {inside} | {' '.join(f'{g:+.1f}' for g in gains)} | {loss:+.2f} | x {cost:.2f} |"
                )
    text = TABLE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    temporary = TABLE.with_suffix(".tmp")
    temporary.write_text(f"{before}{BEGIN}\n" + "\n".join(shown) + f"\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    temporary.replace(TABLE)


if __name__ == "__main__":
    main()
