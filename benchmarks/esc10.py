"""ESC-10, folds 2 and 3 train, fold 1 tests: Earmark beside the way of the notebooks, in the same run.

    python benchmarks/esc10.py --data ../shared/data --recipes fast notebook --seeds 0 1 2

Makes an environment with tensorflow-cpu beside the other temporary files the first time. Both are timed from the files to the
accuracy, imports included; Earmark decodes into an empty cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LABELS = "dog,rooster,rain,sea_waves,crackling_fire,crying_baby,sneezing,clock_tick,helicopter,chainsaw"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--environment", type=Path, default=Path(tempfile.gettempdir()) / "earmark-notebook-way")
    parser.add_argument("--recipes", nargs="+", default=["fast"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    chosen = parser.parse_args()
    python = chosen.environment / ("Scripts" if os.name == "nt" else "bin") / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", chosen.environment], check=True)
        packages = ["tensorflow-cpu", "librosa", "matplotlib", "pillow"]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
    command = [python, Path(__file__).with_name("notebook_way.py"), chosen.data / "esc50", "1", LABELS]
    begin = time.monotonic()
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs = json.loads(shown.stdout.splitlines()[-1])
    their_seconds = time.monotonic() - begin
    print(
        f"| notebook way | {100 * theirs['accuracy']:.1f} % | {their_seconds:.0f} s | {theirs['parameters'] / 1e6:.1f} M |"
    )
    for recipe in chosen.recipes:
        for seed in chosen.seeds:
            accuracy, seconds = earmark(recipe, seed, chosen.data)
            points, share = 100 * (accuracy - theirs["accuracy"]), seconds / their_seconds
            compared = f"{points:+.1f} points, {share:.2f} of the time"
            print(
                f"| earmark {recipe}, seed {seed} | {100 * accuracy:.1f} % | {seconds:.0f} s | {compared} |", flush=True
            )


def earmark(recipe: str, seed: int, data: Path) -> tuple[float, float]:
    """Accuracy and seconds of one training."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "earmark.cli", "train", data / "esc50", "--out", Path(folder) / "model"]
        command += ["--include", LABELS, "--test-fold", "1", "--recipe", recipe, "--seed", str(seed), "--json"]
        begin = time.monotonic()
        environment = {**os.environ, "EARMARK_CACHE": folder}
        shown = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return json.loads(shown.stdout)["accuracy"], time.monotonic() - begin


if __name__ == "__main__":
    main()
