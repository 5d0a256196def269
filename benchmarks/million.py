"""A manifest of many rows: load, validate, split by group; seconds and peak memory, and how they grow.

python benchmarks/million.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

STEPS = """
import json, resource, sys, time
begin = time.perf_counter()
from earmark.data import layouts, splits
from earmark.data.manifest import Manifest
seconds = {"import": time.perf_counter() - begin}
begin = time.perf_counter()
manifest = layouts.find(sys.argv[1])
seconds["load and validate"] = time.perf_counter() - begin
begin = time.perf_counter()
split = splits.holdout(manifest)
seconds["grouped split"] = time.perf_counter() - begin
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024) / 1024
groups = manifest.table["group"].to_numpy()
apart = not set(groups[split.train]) & set(groups[split.test])
print(json.dumps({"seconds": seconds, "peak": peak, "share": len(split.test) / len(manifest), "apart": apart}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    chosen = parser.parse_args()
    for rows in chosen.rows:
        for name, groups in (("10 rows a group", rows // 10), ("every row its own group", rows)):
            rng = np.random.default_rng(0)
            table = pd.DataFrame(
                {
                    "path": [f"recorder_{i % 97:02d}/2026/clip_{i:07d}.flac" for i in range(rows)],
                    "label": rng.choice([f"species {i:03d}" for i in range(200)], rows),
                    "group": rng.integers(0, groups, rows) if groups < rows else np.arange(rows),
                }
            )
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "metadata.csv"
                table.to_csv(path, index=False)
                shown = subprocess.run([sys.executable, "-c", STEPS, path], capture_output=True, text=True, check=True)
            found = json.loads(shown.stdout)
            assert found["apart"]
            parts = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in found["seconds"].items())
            total = sum(found["seconds"].values())
            print(
                f"| {rows} rows, {name} | {total:.1f} s ({parts}) | {found['peak']:.2f} GB | {found['share']:.3f} test |",
                flush=True,
            )


if __name__ == "__main__":
    main()
