"""Training beside other work: threads that wait by spinning (OpenMP's default) against threads that sleep (what Earmark sets).

``python benchmarks/busy.py [--pairs 5]`` trains the same small classifier in turn with both, with nothing beside it and beside one
busy process, and prints medians of seconds and of CPU seconds, and their ratios within pairs.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from earmark.audio import synth

# torch reads the variable when it is loaded: loaded before Earmark sets it, it keeps its default.
_WAYS = {
    "spinning": "import torch; import sys; from earmark.cli import main; main()",
    "sleeping": "import sys; from earmark.cli import main; main()",
}
_BUSY = "while True: pass"


def run(code: str, data: Path, out: Path) -> tuple[float, float]:
    """Seconds and CPU seconds of one training."""
    words = [
        "train",
        data,
        "--out",
        out,
        "--overwrite",
        "--recipe",
        "fast",
        "--set",
        "min_steps=200",
        "--set",
        "epochs=1",
    ]
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], env=environment, check=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    seconds, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        data = synth.write_machines(Path(folder) / "data", units=3, clips=4)
        run(_WAYS["sleeping"], data, Path(folder) / "model")  # decodes into the cache
        for beside in (0, 1):
            found: dict[str, list[tuple[float, float]]] = {way: [] for way in _WAYS}
            for _ in range(pairs):
                for way, code in _WAYS.items():
                    others = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(beside)]
                    try:
                        found[way].append(run(code, data, Path(folder) / "model"))
                    finally:
                        for other in others:
                            other.kill()
                            other.wait()
            print(f"beside {beside} busy processes, {os.cpu_count()} cores, {pairs} pairs, medians")
            for way, rows in found.items():
                print(
                    f"  {way}: {statistics.median(s for s, _ in rows):.1f} s, {statistics.median(c for _, c in rows):.1f} CPU s"
                )
            for what, column in (("seconds", 0), ("CPU seconds", 1)):
                ratios = [b[column] / a[column] for a, b in zip(found["spinning"], found["sleeping"], strict=True)]
                print(
                    f"  sleeping / spinning, {what}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
                )


if __name__ == "__main__":
    main()
