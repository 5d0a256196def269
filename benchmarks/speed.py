"""Whole processes from outside: ``earmark --help``, ``earmark predict`` on one 5 s file, ``earmark demo``.

    python benchmarks/speed.py --runs 11

Peer in the same run: the bare interpreter importing the packages that any such tool needs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from earmark.audio import encode


def measure(command: list[str], runs: int) -> tuple[float, float]:
    """Median wall seconds and largest peak memory in MB, after one run that is not counted."""
    seconds, peak = [], 0.0
    for run in range(runs + 1):
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if os.waitstatus_to_exitcode(status):
            raise SystemExit(f"{' '.join(command)} failed")
        process.returncode = 0
        if run:
            seconds.append(time.perf_counter() - begin)
            peak = max(peak, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3))
    return statistics.median(seconds), peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=11)
    parser.add_argument("--model", help="bundle to predict with; the demo makes one otherwise, and is timed")
    chosen = parser.parse_args()
    earmark = str(Path(sys.executable).with_name("earmark"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        encode(folder / "five.wav", np.random.default_rng(0).normal(size=160_000).astype(np.float32) * 0.1, 32_000)
        if chosen.model is None:
            begin = time.perf_counter()
            subprocess.run([earmark, "demo", "--out", str(folder / "demo")], check=True, capture_output=True)
            print(f"| earmark demo | {time.perf_counter() - begin:.0f} s | |", flush=True)
        model = chosen.model or str(folder / "demo" / "model")
        imports = "import numpy, soundfile, onnxruntime"
        rows = {
            f'peer: python -c "{imports}"': [sys.executable, "-c", imports],
            "earmark --help": [earmark, "--help"],
            "earmark predict MODEL five.wav": [earmark, "predict", model, str(folder / "five.wav")],
        }
        for what, command in rows.items():
            seconds, peak = measure(command, chosen.runs)
            print(f"| {what} | {seconds:.2f} s | {peak:.0f} MB |", flush=True)


if __name__ == "__main__":
    main()
