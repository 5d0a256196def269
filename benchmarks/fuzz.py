"""Decode damaged recordings of every format: no crash, no hang, bounded memory; every failure one `AudioError`.

    python benchmarks/fuzz.py --data ../shared/data --inputs 20000

Inputs are real recordings in every format that Earmark reads, some of them joined or in junk, with bytes flipped, cut, repeated,
overwritten or spliced. Workers of limited memory decode them; one that dies or takes longer than the limit is counted with the
input that did it.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from earmark import audio
from earmark.data import layouts
from earmark.errors import AudioError

FORMATS = [
    ("WAV", "PCM_U8"), ("WAV", "PCM_16"), ("WAV", "PCM_24"), ("WAV", "FLOAT"), ("WAV", "ULAW"), ("WAV", "IMA_ADPCM"),
    ("WAV", "MS_ADPCM"), ("WAVEX", "PCM_16"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("FLAC", "PCM_16"), ("FLAC", "PCM_24"),
    ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AIFF", "FLOAT"), ("AU", "PCM_16"),
    ("CAF", "PCM_16"), ("CAF", "ALAC_16"),
]  # fmt: skip
SLOW = 10.0  # seconds


JUNK = (b"<html><body>404</body></html>\n" * 200, bytes(5_000), b"ID3\x04\0\0\0\0\0\x14" + bytes(20), b"\x11junk" * 30)


def seeds(data: Path) -> list[bytes]:
    """Two real clips in every format, alone, two of them joined, and with junk before, between and behind."""
    found: list[bytes] = []
    for i, path in enumerate(layouts.find(data / "esc50").paths[::600]):
        sound = audio.decode(path, end=1.0 + i)
        for container, subtype in FORMATS:
            file = io.BytesIO()
            soundfile.write(file, sound.samples, sound.sr, format=container, subtype=subtype)
            found.append(file.getvalue())
    joined = [one + two for one, two in zip(found, found[len(FORMATS) :], strict=False)]
    among = [JUNK[i % 4] + one + JUNK[i // 4 % 4] + one for i, one in enumerate(found)]
    return [*found, *joined, *among]


def damaged(content: bytes, rng: np.random.Generator, other: bytes) -> bytes:
    """One to four damages of random kinds; half of them in the header."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        reach = min(len(data), 128) if rng.random() < 0.5 else len(data)
        at = int(rng.integers(reach))
        size = int(rng.integers(1, 1 + min(64, len(data) - at)))
        kind = rng.integers(7)
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at : at + size] = rng.bytes(size)
        elif kind == 2:
            data[at : at + 4] = [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x01\0\0\0"][
                int(rng.integers(4))
            ]
        elif kind == 3:
            del data[at:]
        elif kind == 4:
            del data[at : at + size]
        elif kind == 5:
            data[at:at] = data[at : at + size] * int(rng.integers(1, 40))
        else:
            start = int(rng.integers(len(other)))
            data[at : at + size] = other[start : start + size * 4]
    return bytes(data)


def work(pipe: multiprocessing.connection.Connection, memory: int) -> None:
    """Decode what comes through the pipe and say how it went."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    with Path(os.devnull).open("w") as nothing:
        os.dup2(nothing.fileno(), 2)  # libraries of C grumble there
        while True:
            content = pipe.recv_bytes()
            try:
                samples = sum(len(block.samples) for block in audio.blocks(content, sr=16_000))
                said = f"decoded {samples > 0}"
            except AudioError as error:
                said = error.kind
            except Exception as error:  # noqa: BLE001 - what must not happen is what is looked for
                said = f"!{type(error).__name__}: {error}"
            pipe.send((said, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def inputs(data: Path, count: int, seed: int) -> Iterator[bytes]:
    whole = seeds(data)
    rng = np.random.default_rng(seed)
    for i in range(count):
        yield damaged(whole[i % len(whole)], rng, whole[int(rng.integers(len(whole)))])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "earmark-fuzz")
    chosen = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    kinds: Counter[str] = Counter()
    worst, slowest, worker = 0, 0.0, None
    pipe, there = context.Pipe()
    begin = time.monotonic()
    for number, content in enumerate(inputs(chosen.data, chosen.inputs, chosen.seed)):
        if worker is None or not worker.is_alive():
            pipe, there = context.Pipe()
            worker = context.Process(target=work, args=(there, 4 << 30), daemon=True)
            worker.start()
            there.close()
        started = time.monotonic()
        pipe.send_bytes(content)
        try:
            if pipe.poll(SLOW + (20 if number == 0 else 0)):
                said, peak = pipe.recv()
                worst = max(worst, peak)
                slowest = max(slowest, time.monotonic() - started if number else 0.0)
            else:
                said = "!hang"
                worker.kill()
                worker.join()
        except (EOFError, ConnectionResetError):
            worker.join()
            said = f"!died with {worker.exitcode}"
        kinds[said] += 1
        if said.startswith("!"):
            chosen.keep.mkdir(parents=True, exist_ok=True)
            (chosen.keep / f"{number}.bin").write_bytes(content)
            print(f"input {number}: {said} (kept in {chosen.keep})", flush=True)
    bad = sum(n for kind, n in kinds.items() if kind.startswith("!"))
    print(
        f"| {chosen.inputs} damaged inputs of {len(FORMATS)} formats, seed {chosen.seed} | {bad} crashes, hangs or stray errors |"
    )
    print(f"| peak memory of a worker, slowest input | {worst / 1024:.0f} MB, {slowest:.2f} s |")
    print(f"| outcomes | {', '.join(f'{kind} {n}' for kind, n in kinds.most_common())} |")
    print(f"| whole run | {time.monotonic() - begin:.0f} s |")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
