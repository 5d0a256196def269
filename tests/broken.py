"""Recordings that are broken or odd in a known way, for tests of everything that takes files from users."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

SR = 16_000
PER_KIND = 6


def good(seed: int, seconds: float = 1.0) -> NDArray[np.float32]:
    """Chirps in noise, no two alike, shape (time,)."""
    rng = np.random.default_rng([seed, 7])
    time = np.arange(round(seconds * SR)) / SR
    chirp = np.sin(2 * np.pi * (rng.uniform(200, 2000) * time + rng.uniform(-800, 3000) * time**2 / 2))
    return (rng.uniform(0.05, 0.6) * chirp + rng.normal(size=len(time)) * rng.uniform(0.005, 0.05)).astype(np.float32)


def _cut(path: Path, seed: int) -> None:
    """Cut off: WAV, FLAC, Ogg, AIFF and AU in turn."""
    kinds = [(".wav", "PCM_16"), (".flac", "PCM_16"), (".ogg", "VORBIS"), (".aiff", "PCM_16"), (".au", "PCM_16")]
    suffix, subtype = kinds[seed % len(kinds)]
    path = path.with_suffix(suffix)
    soundfile.write(path, good(zlib.crc32(path.name.encode())), SR, subtype=subtype)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * 0.6)])


def _not_audio(path: Path, seed: int) -> None:
    junk = np.random.default_rng(seed).bytes(500)
    path.write_bytes([b"just some text\n" * 9, b"<html></html>", b"\0" * 400, b"PK\3\4" + junk, b"x"][seed % 5])


def _corrupt(path: Path, seed: int) -> None:
    """A header of the right name with nonsense in it, FLAC with its middle overwritten, or a float with one bit overturned."""
    if seed == 0:
        samples = good(zlib.crc32(path.name.encode()))
        samples[2_000] = 3.4e37
        soundfile.write(path, samples, SR, subtype="FLOAT")
        return
    if seed % 2:
        path.write_bytes(b"RIFF" + struct.pack("<I", 500) + b"WAVEfmt " + b"\xff" * 480)
        return
    path = path.with_suffix(".flac")
    soundfile.write(path, good(zlib.crc32(path.name.encode())), SR)
    whole = bytearray(path.read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 3000] = b"\x55" * 3000
    path.write_bytes(bytes(whole))


def _write(
    change: Callable[[NDArray[np.float32], int], NDArray[np.float32]], subtype: str = "PCM_16"
) -> Callable[..., None]:
    return lambda path, seed: soundfile.write(
        path, change(good(zlib.crc32(path.name.encode())), seed), SR, subtype=subtype
    )


def _with_nan(x: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    x[3_000 + seed] = (np.nan, np.inf, -np.inf)[seed % 3]
    return x


def _clipped(x: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Driven over full scale; some turned down afterwards."""
    return np.clip(x / np.abs(x).max() * (2 + seed), -1, 1) * np.float32((1.0, 0.7, 0.3)[seed % 3])


def _other_name(path: Path, seed: int) -> None:
    """One format under the name of another."""
    real, shown = [("wav", ".mp3"), ("flac", ".wav"), ("ogg", ".wav"), ("aiff", ".flac"), ("mp3", ".wav")][seed % 5]
    soundfile.write(path.with_suffix(shown), good(zlib.crc32(path.name.encode())), SR, format=real.upper())


def _stereo(change: Callable[[NDArray[np.float32], int], NDArray[np.float32]]) -> Callable[..., None]:
    """A second channel that is made of the first."""

    def write(path: Path, seed: int) -> None:
        x = good(zlib.crc32(path.name.encode()))
        soundfile.write(path, np.stack([x, change(x, seed)], axis=1)[:, :: (-1) ** seed], SR, subtype="PCM_16")

    return write


def _claims_more(path: Path, seed: int) -> None:
    """A size of the sound that is too large: by the header, to the whole file's, rounded up, and the last 10 ms missing."""
    soundfile.write(path, good(zlib.crc32(path.name.encode()), 2.0), SR)
    whole = bytearray(path.read_bytes())
    size = len(whole) - 44
    said = (size + 44, size + 36, -(-size // 4096) * 4096, size + 320)[seed % 4]
    whole[40:44] = struct.pack("<I", said)
    path.write_bytes(bytes(whole))


def _joined(path: Path, seed: int) -> None:
    """Two recordings in one file."""
    suffix, format_ = [
        (".wav", "WAV"),
        (".flac", "FLAC"),
        (".ogg", "OGG"),
        (".mp3", "MP3"),
        (".aiff", "AIFF"),
        (".au", "AU"),
    ][seed]
    content = b""
    for k in range(2):
        soundfile.write(path, good(zlib.crc32(path.name.encode()) + k, 0.8), SR, format=format_)
        content += path.read_bytes()
    path.unlink()
    path.with_suffix(suffix).write_bytes(content)


def _with_junk(path: Path, seed: int) -> None:
    """A page of the web before or behind the sound."""
    page = b"<html><body>You are not logged in.</body></html>\n" * 200
    soundfile.write(path, good(zlib.crc32(path.name.encode())), SR)
    path.write_bytes(path.read_bytes() + page if seed % 2 else page + path.read_bytes())


def _is_copy(x: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Delayed, of another gain, in noise of its own."""
    noise = np.random.default_rng(seed).normal(size=len(x)).astype(np.float32)
    return np.float32(0.8) * np.roll(x, 5 + 3 * seed) + 1e-3 * noise


KINDS: dict[str, Callable[[Path, int], None]] = {
    "empty": lambda path, _: path.write_bytes(b"") and None,
    "not-audio": _not_audio,
    "corrupt": _corrupt,
    "truncated": _cut,
    "zero-length": lambda path, seed: soundfile.write(path, np.zeros(0, np.float32), SR + seed),
    "non-finite": _write(_with_nan, "FLOAT"),
    "silent": _write(lambda x, seed: x * np.float32(0 if seed % 2 else 1e-5)),
    "clipped": _write(_clipped),
    "dc-offset": _write(lambda x, seed: 0.5 * x + np.float32(0.08 * (seed + 1)) * (-1) ** seed),
    "too-short": _write(lambda x, seed: x[: 50 + 200 * seed]),
    "extension": _other_name,
    "cancelled": _stereo(lambda x, seed: (-1.0, -0.8, -0.9)[seed % 3] * x),
    "header": _claims_more,
    "joined": _joined,
    "junk": _with_junk,
    "dead-channel": _stereo(lambda x, seed: (0.0, 1e-4)[seed % 2] * x[::-1]),
    "comb": _stereo(_is_copy),
}
"""A writer for each kind of fault."""


def write_broken(root: Path, *, goods: int = 200) -> dict[str, str]:
    """Class folders ``a`` and ``b`` of good recordings and, among them, broken ones; the fault of each broken one's path."""
    for i in range(goods):
        folder = root / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        suffix, subtype = [
            (".wav", "PCM_16"),
            (".flac", "PCM_24"),
            (".ogg", "VORBIS"),
            (".mp3", "MPEG_LAYER_III"),
            (".wav", "PCM_U8"),
        ][i % 5]
        soundfile.write(folder / f"good{i:03d}{suffix}", good(1_000 + i), SR, subtype=subtype)
    for kind, write in KINDS.items():
        for seed in range(PER_KIND):
            write(root / "ab"[seed % 2] / f"{kind}_{seed}.wav", seed)
    return {
        path.relative_to(root).as_posix(): path.name.rpartition("_")[0]
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith("good")
    }
