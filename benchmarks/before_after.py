"""Two checkouts of Earmark: are weights, metrics and predictions the same, and is a cold start as fast? Prints Markdown tables.

python benchmarks/before_after.py OTHER_CHECKOUT
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parents[1]
GOLDEN = HERE / "tests" / "golden"
RUNS = 15
TINY = ["epochs=3", "epochs_a_label=0", "min_steps=0", "n_mels=16", "width=0.25"]
JOBS = {
    "classification": ("classes", ["--group-pattern", r"(g\d)_", *(x for s in TINY for x in ("--set", s))]),
    "with patience, teachers and focal loss": (
        "classes",
        ["--group-pattern", r"(g\d)_", "--seed", "3"]
        + [x for s in (*TINY, "patience=2", "teachers=1", "focal=1", "class_weights=balanced") for x in ("--set", s)],
    ),
    "multi-label": ("several/labels.csv", [x for s in TINY for x in ("--set", s)]),
    "anomaly, two machines": ("machines/labels.csv", ["--task", "anomaly", "--per", "machine", "--set", "n_mels=16"]),
    "continued": (
        "classes",
        ["--group-pattern", r"(g\d)_", "--from", str(GOLDEN / "schema1" / "classification"), "--set", "epochs=2"],
    ),
}  # fmt: skip


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A Python process that uses the Earmark of a checkout."""
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, check=True)


def made(checkout: Path, data: Path, options: list[str], out: Path) -> dict[str, str]:
    """Hashes of a bundle's arrays, its metrics, and its predictions."""
    run(checkout, "-m", "earmark.cli", "train", str(data), "--out", str(out), *options)
    found = {p.name: hashlib.sha256(p.read_bytes()).hexdigest()[:12] for p in sorted(out.glob("*.safetensors"))}
    metrics = json.loads((out / "earmark.json").read_text())["metrics"]
    found["metrics"] = hashlib.sha256(json.dumps(metrics, sort_keys=True).encode()).hexdigest()[:12]
    table = (out / "predictions.csv").read_bytes() if (out / "predictions.csv").exists() else b""
    return {**found, "predictions.csv": hashlib.sha256(table).hexdigest()[:12]}


def main() -> None:
    """Compare weights, then time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path)
    other = parser.parse_args().other.resolve()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        sys.path.insert(0, str(GOLDEN))
        import write

        write.datasets(work)
        (sound, *_) = write.recordings(work / "recordings")
        print("| job | arrays, metrics and predictions |\n|---|---|")
        for number, (job, (data, options)) in enumerate(JOBS.items()):
            both = [made(c, work / data, options, work / f"{number}{i}") for i, c in enumerate((other, HERE))]
            differ = [key for key in both[0] if both[0][key] != both[1].get(key)]
            print(f"| {job} | {'differ: ' + ', '.join(differ) if differ else 'identical'} |", flush=True)
        bundle = str(GOLDEN / "schema1" / "classification")
        commands = {
            "import earmark": ["-c", "import earmark"],
            "earmark --help": ["-m", "earmark.cli", "--help"],
            "earmark predict, cold": ["-m", "earmark.cli", "predict", bundle, str(sound)],
        }
        print("\n| command | other, ms | here, ms | here / other, median of pairs |\n|---|---|---|---|")
        for title, command in commands.items():
            pairs = []
            for turn in range(RUNS + 1):
                timed = {}
                for checkout in (other, HERE) if turn % 2 else (HERE, other):
                    begin = time.perf_counter()
                    run(checkout, *command)
                    timed[checkout] = time.perf_counter() - begin
                pairs.append((timed[other], timed[HERE]))
            a, b = np.array(pairs[1:]).T  # the first fills the caches
            print(
                f"| {title} | {1000 * np.median(a):.0f} | {1000 * np.median(b):.0f} | {statistics.median(b / a):.3f} |"
            )


if __name__ == "__main__":
    main()
