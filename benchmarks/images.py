"""Images of a folder of recordings: ``earmark spectrogram`` from outside beside librosa.display.specshow with savefig.

    python benchmarks/images.py --data FOLDER --repeat 5

The peer makes images of a sample of the same recordings, in one process as notebooks do, its imports not counted; Earmark's whole
process is timed, imports and all, once for the folder and once for the folder several times over: the difference of the two is what
a recording takes by itself.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from earmark.audio import find_recordings


def peer(recordings: list[Path], out: Path) -> float:
    """Recordings a second, the way of the notebooks."""
    import librosa
    import librosa.display
    import matplotlib
    import numpy as np

    matplotlib.use("Agg")
    from matplotlib import pyplot

    begin = 0.0
    for i, path in enumerate(recordings):
        if i == 1:  # the first pays for what is loaded on first use
            begin = time.perf_counter()
        samples, sr = librosa.load(path, sr=None)
        power = librosa.feature.melspectrogram(y=samples, sr=sr, n_mels=64, n_fft=512, hop_length=256)
        librosa.display.specshow(librosa.power_to_db(power, ref=np.max), sr=sr)
        pyplot.savefig(out / f"{i}.png")
        pyplot.close()
    return (len(recordings) - 1) / (time.perf_counter() - begin)


def earmark(folders: list[Path], out: Path, workers: int, arguments: list[str]) -> float:
    """Seconds of the whole process."""
    command = [
        sys.executable, "-m", "earmark.cli", "spectrogram", *map(str, folders), "--out", str(out),
        "--workers", str(workers), *arguments,
    ]  # fmt: skip
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", type=int, default=60, help="recordings that the peer takes")
    parser.add_argument("--repeat", type=int, default=5, help="times that the folder is taken in the long run")
    parser.add_argument("--options", default="", help="more of earmark spectrogram, e.g. '--colors gray16'")
    chosen = parser.parse_args()
    recordings = find_recordings([chosen.data])
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        (out / "peer").mkdir()
        slow = peer(recordings[:: max(1, len(recordings) // chosen.sample)][: chosen.sample + 1], out / "peer")
        print("| what | recordings/s | times the peer |\n|---|---|---|")
        print(f"| peer: specshow and savefig, one process | {slow:.1f} | |", flush=True)
        copies = []
        for i in range(chosen.repeat):
            copies.append(out / f"data{i}")
            copies[-1].symlink_to(chosen.data.resolve(), target_is_directory=True)
        seconds = []
        for what, folders in ((f"{len(recordings)}", [chosen.data]), (f"{len(recordings) * chosen.repeat}", copies)):
            seconds.append(earmark(folders, out / what, chosen.workers, chosen.options.split()))
            rate = int(what) / seconds[-1]
            print(
                f"| earmark spectrogram {chosen.options}, {chosen.workers} processes, {what} recordings, whole process of "
                f"{seconds[-1]:.1f} s | {rate:.0f} | {rate / slow:.1f} |",
                flush=True,
            )
        if chosen.repeat > 1:
            rate = len(recordings) * (chosen.repeat - 1) / (seconds[1] - seconds[0])
            print(f"| the same without what starting takes | {rate:.0f} | {rate / slow:.1f} |")
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        print(f"\nLoad of the machine afterwards: {load:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
