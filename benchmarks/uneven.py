"""Clips of uneven length: windows that training sees in stretches, or windows as long as the stretches. Prints a Markdown table.

    python benchmarks/uneven.py --data ../shared/data [--seeds 0]

ESC-50's clips are cut to 1.5 to 5 s at random round their loudest quarter of a second; fold 1 tests.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from runs import measure

CROP = 2.5  # seconds that training sees
LENGTHS = (1.5, 5.0)


def cut(source: Path, folder: Path) -> None:
    """Write the clips and their ``metadata.csv``."""
    rng = np.random.default_rng(0)
    table = pd.read_csv(source / "meta" / "esc50.csv")
    for name in table["filename"]:
        samples, sr = soundfile.read(next((source / "audio").glob(f"{Path(name).stem}.*")))
        size = int(sr * rng.uniform(*LENGTHS))
        loudest = int(np.convolve(samples**2, np.ones(sr // 4), "same").argmax())
        first = int(np.clip(loudest - size * rng.uniform(0.2, 0.8), 0, max(0, len(samples) - size)))
        soundfile.write(folder / Path(name).with_suffix(".wav").name, samples[first : first + size], sr)
    table["path"] = [Path(name).with_suffix(".wav").name for name in table["filename"]]
    table = table.rename(columns={"category": "label", "src_file": "group"})
    table[["path", "label", "fold", "group"]].to_csv(folder / "metadata.csv", index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    chosen = parser.parse_args()
    print("| windows | seed | accuracy | loss |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        cut(chosen.data / "esc50", Path(folder))
        for seed in chosen.seeds:
            for window in (LENGTHS[1], CROP):
                settings = ["--set", f"crop_seconds={CROP}", "--set", f"window_seconds={window}"]
                found = measure([folder, "--test-fold", "1", "--recipe", "fast", "--seed", str(seed), *settings])
                print(f"| {window:g} s | {seed} | {100 * found['accuracy']:.1f} % | {found['loss']:.2f} |", flush=True)


if __name__ == "__main__":
    main()
