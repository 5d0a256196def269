"""Each idea of the recipes by itself: what it gains and what it costs. Writes ablation.md; a second call goes on where one stopped.

    python benchmarks/ablation.py --data ../shared/data [--rows esc50] [--seeds 1 2] [--minutes 60]

The base is the recipe as shipped, with fewer steps. An idea that it has is taken out, one that it lacks is put in, and all else is
left alone. ESC-50's fold 1 takes no part (fold 2 trains, fold 3 tests), nor does one of FSDD's speakers; RAVDESS is split by
another seed and into other parts than in RESULTS.md. So no reported fold was searched on as it stands, but its clips are no
strangers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from earmark import recipe
from runs import measure

HERE = Path(__file__).parent
LINES, TABLE = HERE / "ablation.jsonl", HERE / "ablation.md"
BEGIN, END = "<!-- ideas: made by benchmarks/ablation.py -->", "<!-- ideas end -->"

IDEAS = {
    "blocks of other clips (CutMix)": ("cutmix=0.5", "cutmix=0"),
    "mixup": ("mixup=0.2", "mixup=0"),
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
    return [str(folder), "--test-fold", "3"]


def fsdd(data: Path, folder: Path) -> list[str]:
    """Without the first speaker; folders of digits, so that no official split is in the way."""
    for path in sorted((data / "fsdd" / "recordings").glob("*.wav")):
        digit, _, rest = path.name.partition("_")
        if not rest.startswith("george"):
            (folder / digit).mkdir(exist_ok=True)
            shutil.copy(path, folder / digit / rest)
    return [str(folder), "--folds", "4", "--test-fold", "1", "--group-pattern", "[^/]+/([a-z]+)_"]


def ravdess(data: Path, folder: Path) -> list[str]:
    """Nine actors train, three test."""
    del folder
    return [str(data / "ravdess"), "--folds", "4", "--test-fold", "1"]


ROWS: dict[str, tuple[str, str, Callable[[Path, Path], list[str]]]] = {
    "esc50": ("general", "min_steps=1200 epochs_a_label=0 members=1", esc50),
    "fsdd": ("speech", "min_steps=800 epochs=15 members=1", fsdd),
    "ravdess": ("speech", "min_steps=1000 members=1", ravdess),
}
"""Name to kind of recipe, steps, and what makes the data."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no run after so many")
    chosen = parser.parse_args()
    end = time.monotonic() + 60 * chosen.minutes
    lines = [json.loads(line) for line in LINES.read_text().splitlines()] if LINES.exists() else []
    for seed in chosen.seeds:
        for row in chosen.rows:
            with tempfile.TemporaryDirectory() as folder:
                arguments: list[str] = []
                for idea in ["", *IDEAS]:
                    key = {"row": row, "idea": idea, "seed": seed, "base": base(row), "how": settings(row, idea)}
                    if any(key.items() <= line.items() for line in lines) or time.monotonic() > end:
                        continue
                    arguments = arguments or ROWS[row][2](chosen.data, Path(folder))
                    lines.append({**key, **measure([*arguments, *settings(row, idea), "--seed", str(seed)])})
                    with LINES.open("a") as file:
                        file.write(json.dumps(lines[-1]) + "\n")
                    print(json.dumps(lines[-1]), flush=True)
                    write(lines)
    write(lines)


def values(row: str) -> dict[str, Any]:
    """What the base comes to."""
    kind, steps, _ = ROWS[row]
    return recipe.load(f"balanced+{kind}", steps.split()).to_dict()


def base(row: str) -> str:
    """Digest of the base."""
    return hashlib.sha256(json.dumps(values(row), sort_keys=True).encode()).hexdigest()[:12]


def has(row: str, idea: str) -> bool:
    """Whether the base has an idea: whether taking it out changes anything."""
    kind, steps, _ = ROWS[row]
    return recipe.load(f"balanced+{kind}", [*steps.split(), *IDEAS[idea][1].split()]).to_dict() != values(row)


def settings(row: str, idea: str) -> list[str]:
    """Arguments of the base with one idea put in or taken out."""
    kind, steps, _ = ROWS[row]
    changed = IDEAS[idea][has(row, idea)].split() if idea else []
    return ["--recipe", f"balanced+{kind}", *(word for s in [*steps.split(), *changed] for word in ("--set", s))]


def write(lines: list[dict[str, Any]]) -> None:
    """Put the table of all current lines between the marks of ablation.md."""
    shown = [
        "| data | idea | in the recipe | gain in points, of each seed | loss | time |",
        "|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        current = {(x["idea"], x["seed"]): x for x in lines if x["row"] == row and x["base"] == base(row)}
        plain = [current["", seed] for idea, seed in current if not idea]
        if plain:
            accuracy = " ".join(f"{100 * x['accuracy']:.1f} %" for x in plain)
            seconds = statistics.median(x["seconds"] for x in plain)
            loss = statistics.mean(x["loss"] for x in plain)
            shown.append(
                f"| {row}, {plain[0]['n']} clips test | the base, {ROWS[row][1]} | | {accuracy} | {loss:.2f} | {seconds:.0f} s |"
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
