"""Images of a folder of recordings: ``earmark spectrogram`` from outside beside librosa.display.specshow with savefig.

    python benchmarks/images.py --data FOLDER --repeat 5

The peer makes images of a sample of the same recordings, in one process as notebooks do, its imports not counted; Earmark's whole
process is timed, imports and all, once for the folder and once for the folder several times over: the difference of the two is what
a recording takes by itself. Processor time, of all processes together, depends less on what else the machine does.
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


def spent() -> float:
    """Processor seconds of this process and of those that it waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def peer(recordings: list[Path], out: Path) -> tuple[float, float]:
    """Seconds and processor seconds a recording, the way of the notebooks."""
    import librosa
    import librosa.display
    import matplotlib
    import numpy as np

    matplotlib.use("Agg")
    from matplotlib import pyplot

    begin = processor = 0.0
    for i, path in enumerate(recordings):
        if i == 1:  # the first pays for what is loaded on first use
            begin, processor = time.perf_counter(), spent()
        samples, sr = librosa.load(path, sr=None)
        power = librosa.feature.melspectrogram(y=samples, sr=sr, n_mels=64, n_fft=512, hop_length=256)
        librosa.display.specshow(librosa.power_to_db(power, ref=np.max), sr=sr)
        pyplot.savefig(out / f"{i}.png")
        pyplot.close()
    count = len(recordings) - 1
    return (time.perf_counter() - begin) / count, (spent() - processor) / count


def earmark(folders: list[Path], out: Path, workers: int, arguments: list[str]) -> tuple[float, float]:
    """Seconds and processor seconds of the whole process."""
    command = [
        sys.executable, "-m", "earmark.cli", "spectrogram", *map(str, folders), "--out", str(out),
        "--workers", str(workers), *arguments,
    ]  # fmt: skip
    begin, processor = time.perf_counter(), spent()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin, spent() - processor


def row(what: str, cost: tuple[float, float], slow: tuple[float, float]) -> None:
    """Print a row of the table; costs are seconds and processor seconds of a recording."""
    ratios = "" if cost == slow else f"{slow[0] / cost[0]:.1f}"
    print(f"| {what} | {1 / cost[0]:.0f} | {1000 * cost[1]:.1f} ms | {ratios} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    recordings = Path(os.environ.get("EARMARK_DATA", "../shared/data")) / "esc50" / "audio"
    parser.add_argument("--data", type=Path, default=recordings, help="folder of recordings")
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
        print("| what | recordings/s | processor time of one | times the peer |\n|---|---|---|---|")
        row("peer: specshow and savefig, one process", slow, slow)
        copies = []
        for i in range(chosen.repeat):
            copies.append(out / f"data{i}")
            copies[-1].symlink_to(chosen.data.resolve(), target_is_directory=True)
        costs = []
        n = len(recordings)
        for count, folders in ((n, [chosen.data]), (n * chosen.repeat, copies))[: min(2, chosen.repeat)]:
            costs.append(earmark(folders, out / str(count), chosen.workers, chosen.options.split()))
            said = f"{chosen.workers} processes, {count} recordings, whole process of {costs[-1][0]:.1f} s"
            row(
                f"earmark spectrogram {chosen.options or '(magma)'}, {said}",
                (costs[-1][0] / count, costs[-1][1] / count),
                slow,
            )
        if chosen.repeat > 1:
            more = n * (chosen.repeat - 1)
            row(
                "the same without what starting takes", tuple((b - a) / more for a, b in zip(*costs, strict=True)), slow
            )
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        print(f"\nLoad of the machine afterwards: {load:.1f} on {os.cpu_count()} cores.")


if __name__ == "__main__":
    main()
