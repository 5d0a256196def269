"""`earmark scan`: its time and memory, whether it says the same twice, how many altered copies it finds, and how many pairs of
different recordings it takes for copies.

    python benchmarks/scan.py --data ../shared/data

Alters clips of ESC-50, one alteration at a time and all together, scans originals and copies as one data set, and counts pairs
of different sources over all of ESC-50.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

import earmark
from earmark import audio
from earmark.data import layouts

Samples = NDArray[np.float32]


def as_mp3(samples: Samples, sr: int) -> Samples:
    """Through MP3 at a constant 128 kbit/s."""
    file = io.BytesIO()
    level = 0.2  # of libsndfile's scale from 160 to 8 kbit/s at this rate
    soundfile.write(
        file, samples, sr, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=level
    )
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype="float32")[0])


ALTERED: dict[str, Callable[[Samples, int], tuple[Samples, int]]] = {
    "shifted by 0.2 s": lambda x, sr: (x[round(0.2 * sr) :], sr),
    "at half level": lambda x, sr: (0.5 * x, sr),
    "as MP3 128k": lambda x, sr: (as_mp3(x, sr), sr),
    "resampled to 8 kHz": lambda x, sr: (audio.resample(x, sr, 8_000), 8_000),
    "all of these": lambda x, sr: (audio.resample(as_mp3(0.5 * x[round(0.2 * sr) :], sr), sr, 8_000), 8_000),
}


def whole_process(data: Path) -> None:
    """Scan twice in processes of their own."""
    said = []
    for _ in range(2):
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "earmark.cli", "scan", data, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        said.append(process.stdout.read())
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        peak = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
        count = json.loads(said[-1])["recordings"]
        print(f"| scan of {count} recordings | {time.perf_counter() - begin:.1f} s | {peak:.0f} MB |", flush=True)
    print(f"| both scans say the same | {said[0] == said[1]} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--clips", type=int, default=300)
    chosen = parser.parse_args()
    whole_process(chosen.data / "esc50")
    manifest = layouts.find(chosen.data / "esc50")
    rows = np.random.default_rng(0).permutation(len(manifest))[: chosen.clips]
    paths = [manifest.paths[i] for i in rows]
    for name, alter in ALTERED.items():
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("original", "copy"):
                (Path(folder) / kind).mkdir()
            for i, path in enumerate(paths):
                sound = audio.decode(path)
                soundfile.write(Path(folder) / "original" / f"{i}.flac", sound.samples, sound.sr)
                samples, sr = alter(sound.samples, sound.sr)
                soundfile.write(Path(folder) / "copy" / f"{i}.flac", samples, sr)
            found = earmark.scan(folder)
            pairs = {tuple(sorted(pair)) for pair in [*found.near, *found.exact]}
            hits = sum((f"copy/{i}.flac", f"original/{i}.flac") in pairs for i in range(len(paths)))
            print(f"| copies {name} | {100 * hits / len(paths):.1f} % of {len(paths)} found |", flush=True)
    found = earmark.scan(chosen.data / "esc50")
    source = dict(
        zip(
            manifest.table["path"], manifest.table["src_file" if "src_file" in manifest.table else "group"], strict=True
        )
    )
    apart = [pair for pair in found.near if source[pair[0]] != source[pair[1]]]
    count = len(manifest) * (len(manifest) - 1) // 2
    print(
        f"| pairs of different sources in ESC-50 taken for copies | {len(apart)} of {count} ({100 * len(apart) / count:.4f} %) |"
    )
    for a, b in apart:
        print(f"|  {a} ~ {b} | |")


if __name__ == "__main__":
    main()
