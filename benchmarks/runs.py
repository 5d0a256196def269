"""The queue of accuracy runs: one training at a time, each as its owner would start it; a second call goes on where one stopped.

    python benchmarks/runs.py --data ../shared/data [--recipes fast balanced] [--rows esc50 ravdess] [--seeds 0 1 2] [--minutes 60]

Protocol: the recipe as shipped, the weights of the last step, one fold tests and takes no part in anything; the kind of recipe is
the one that Earmark finds by itself. Each run is one `earmark train` in a process of its own with an empty cache, from the files to
the report; its line goes to ``benchmarks/runs.jsonl``, and the table between the marks in RESULTS.md is made anew of all lines. A
run counts as done while the settings that its recipe comes to, and the layers of its network, are the same.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark import networks
from earmark.training import recipe

HERE = Path(__file__).parent
RUNS, RESULTS = HERE / "runs.jsonl", HERE / "RESULTS.md"
BEGIN, END = "<!-- runs: made by benchmarks/runs.py -->", "<!-- runs end -->"


@dataclass(frozen=True)
class Row:
    """Data, how they are split, and what is asked of fast, balanced and best, in percent."""

    name: str
    about: str
    folder: str
    kind: str
    folds: tuple[str, ...]
    asked: tuple[float, float, float]
    arguments: tuple[str, ...] = ()

    def asked_folds(self, tier: str) -> tuple[str, ...]:
        """Folds that a seed is whole with: of best the first."""
        return self.folds[:1] if tier == "best" else self.folds


def _numbers(count: int) -> tuple[str, ...]:
    return tuple(str(n) for n in range(1, count + 1))


ROWS = (
    Row("esc50", "ESC-50, official folds 1 to 3", "esc50", "general", _numbers(3), (70, 76, 80)),
    Row("fsdd-speaker", "FSDD, one speaker left out", "fsdd", "speech", _numbers(5), (78, 86, 90), ("--folds", "5")),
    Row("fsdd-official", "FSDD, official split", "fsdd", "speech", ("test",), (99.2, 99.6, 99.6)),
    Row("words", "speech commands, unseen speakers, 5 folds", "mini_speech_commands", "speech", _numbers(5), (94, 96, 97)),
    Row("ravdess", "RAVDESS, 6 folds of 2 unseen actors", "ravdess", "speech", _numbers(6), (58, 63, 67), ("--folds", "6")),
    Row("propellers", "propellers at -6 dB, 4 folds of unseen flights", "propeller_mimii", "machine", _numbers(4), (100, 100, 100),
        ("--folds", "4")),
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One training."""

    row: Row
    tier: str
    fold: str
    seed: int

    @property
    def key(self) -> dict[str, Any]:
        """What tells it from others."""
        chosen = recipe.load(f"{self.tier}+{self.row.kind}")
        network = networks.build(
            chosen.network, channels=1, rows=chosen.n_mels, width=chosen.width, members=chosen.members
        )
        what = json.dumps([chosen.to_dict(), self.row.arguments, str(network)], sort_keys=True)
        digest = hashlib.sha256(what.encode()).hexdigest()[:12]
        return {"row": self.row.name, "tier": self.tier, "fold": self.fold, "seed": self.seed, "settings": digest}

    def measure(self, data: Path) -> dict[str, Any]:
        """Train and test; figures."""
        split = ["--test-fold", self.fold, *self.row.arguments]
        found = measure([str(data / self.row.folder), *split, "--recipe", self.tier, "--seed", str(self.seed)])
        if found["recipe"] != f"{self.tier}+{self.row.kind}":
            raise SystemExit(f"{self.row.name}: Earmark took recipe {found['recipe']}, not {self.tier}+{self.row.kind}")
        return found


def measure(arguments: list[str]) -> dict[str, Any]:
    """Figures of one `earmark train` with these arguments, in a process of its own with an empty cache."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "shown").open("w+") as shown:
        out, said = Path(folder) / "model", Path(folder) / "said"
        command = [sys.executable, "-m", "earmark.cli", "train", *arguments, "--out", str(out), "--json"]
        begin = time.monotonic()
        with said.open("w") as errors:
            environment = {**os.environ, "EARMARK_CACHE": folder}
            process = subprocess.Popen(command, stdout=shown, stderr=errors, env=environment)
            status, usage = os.wait4(process.pid, 0)[1:]
        seconds = time.monotonic() - begin
        if status:
            raise SystemExit(f"{' '.join(command)} failed:\n{said.read_text()}")
        shown.seek(0)
        found = json.load(shown)
        used = json.loads((out / "earmark.json").read_text())["provenance"]["recipe"]["name"]
        size = (out / "model.onnx").stat().st_size
    return {
        "recipe": used, "accuracy": found["accuracy"], "loss": round(found["loss"], 4), "n": found["n"], "seconds": round(seconds),
        "megabytes": round(size / 1e6, 1), "peak_memory_gb": round(usage.ru_maxrss * 1024 / 1e9, 2),
        "date": datetime.date.today().isoformat(),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--rows", nargs="+", choices=[row.name for row in ROWS], default=[row.name for row in ROWS])
    parser.add_argument("--recipes", nargs="+", choices=recipe.TIERS, default=list(recipe.TIERS))
    parser.add_argument("--seeds", nargs="+", type=int, help="default: 0 1 2 of fast, else 0")
    parser.add_argument("--folds", nargs="+", help="default: all; of best the first")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no run after so many")
    chosen = parser.parse_args()
    end = time.monotonic() + 60 * chosen.minutes
    lines = read()
    done = {json.dumps({k: line[k] for k in ("row", "tier", "fold", "seed", "settings")}) for line in lines}
    for run in planned(chosen):
        if json.dumps(run.key) in done:
            continue
        if time.monotonic() > end:
            break
        lines.append({**run.key, **run.measure(chosen.data)})
        with RUNS.open("a") as file:
            file.write(json.dumps(lines[-1]) + "\n")
        print(json.dumps(lines[-1]), flush=True)
        write(lines)
    write(lines)


def read() -> list[dict[str, Any]]:
    """What was measured, oldest first."""
    return [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []


def planned(chosen: argparse.Namespace) -> Iterator[Run]:
    """The runs in their order: every row before the next seed."""
    for tier in chosen.recipes:
        for seed in chosen.seeds or ([0, 1, 2] if tier == "fast" else [0]):
            for row in ROWS:
                if row.name in chosen.rows:
                    for fold in chosen.folds or row.asked_folds(tier):
                        if fold in row.folds:
                            yield Run(row, tier, fold, seed)


def write(lines: list[dict[str, Any]]) -> None:
    """Put the tables of all current lines between the marks of RESULTS.md."""
    before, _, rest = RESULTS.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    temporary = RESULTS.with_suffix(".md.tmp")
    temporary.write_text(f"{before}{BEGIN}\n{tables(lines)}\n{END}{after}", encoding="utf-8")
    temporary.replace(RESULTS)


def tables(lines: list[dict[str, Any]]) -> str:
    """Markdown: a row for each data set and tier, of the lines whose settings are the recipe's of today."""
    shown = [
        "| data | recipe | asked | accuracy: mean of the seeds | folds of the first seed | seeds | minutes a fold, median | size | "
        "peak memory |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in ROWS:
        for tier, asked in zip(recipe.TIERS, row.asked, strict=True):
            current = Run(row, tier, "", 0).key["settings"]
            found = [x for x in lines if (x["row"], x["tier"], x["settings"]) == (row.name, tier, current)]
            if found:
                shown.append(_line(row, tier, asked, found))
    return "\n".join(shown)


def _line(row: Row, tier: str, asked: float, found: list[dict[str, Any]]) -> str:
    measured = {seed: {x["fold"] for x in found if x["seed"] == seed} for seed in sorted({x["seed"] for x in found})}
    whole = [seed for seed, folds in measured.items() if folds >= set(row.asked_folds(tier))]
    seeds = whole or list(measured)[:1]
    means = [100 * statistics.mean(x["accuracy"] for x in found if x["seed"] == seed) for seed in seeds]
    first = {x["fold"]: x["accuracy"] for x in found if x["seed"] == seeds[0]}
    folds = " / ".join(f"{100 * first[f]:.1f}" if f in first else "-" for f in row.folds)
    minutes = statistics.median(x["seconds"] for x in found) / 60
    size, memory = max(x["megabytes"] for x in found), max(x["peak_memory_gb"] for x in found)
    spread = f" ({', '.join(f'{m:.1f}' for m in means)})" if len(means) > 1 else ""
    overall = round(statistics.mean(means), 6)  # as a sum of floats, 70 may be less than 70
    mean = f"**{overall:.1f}{': missed' if overall < asked else ''}**{spread}"
    if not whole:
        mean = f"{overall:.1f} so far"
    return f"| {row.about} | {tier} | {asked:g} | {mean} | {folds} | {len(seeds)} | {minutes:.1f} | {size:g} MB | {memory:.1f} GB |"


if __name__ == "__main__":
    main()
