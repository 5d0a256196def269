"""Sounds, small data sets and one small trained bundle that the tests share."""

from __future__ import annotations

import io
import logging
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import earmark
from earmark import cli

if "PYTEST_XDIST_WORKER" in os.environ:
    # Each process has a core; and a training on another number of threads rounds otherwise.
    os.environ["OMP_NUM_THREADS"] = "1"

TINY = (
    "epochs=10", "epochs_a_label=0", "min_steps=0", "width=0.5", "members=1", "ema=0", "batch_size=8", "n_mels=32", "mixup=0",
    "cutmix=0", "dropout=0",
)  # fmt: skip
"""A recipe that learns to tell tones apart within seconds."""

# How long an example takes is the machine's affair.
hypothesis.settings.register_profile("untimed", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("untimed")

RECORDINGS = Path(os.environ.get("EARMARK_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests out of the user's cache."""
    os.environ["EARMARK_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings."""
    if not RECORDINGS.is_dir():
        pytest.skip(f"no real recordings at {RECORDINGS}; set EARMARK_DATA")
    return RECORDINGS


@pytest.fixture(scope="session")
def excerpts(recordings: Path) -> list[tuple[int, NDArray[np.float32]]]:
    """A second of real recordings of several kinds, with their rates."""
    found = []
    for folder in ("esc50/audio", "fsdd/recordings", "propeller_mimii", "ravdess"):
        paths = sorted(p for p in (recordings / folder).rglob("*") if p.suffix in (".flac", ".wav"))
        if not paths:
            pytest.skip(f"no recordings at {recordings / folder}")
        for path in paths[:: len(paths) // 3 + 1]:
            samples, sr = soundfile.read(path, dtype="float32", always_2d=True, frames=32_000)
            found.append((sr, samples[:sr, 0].copy()))
    return found


def packed(names: dict[str, bytes], *, kind: str = "zip") -> bytes:
    """A zip or tar archive of files by name."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in names.items():
                archive.writestr(name, content)
    else:
        with tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, content in names.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def tone(frequency: float, seconds: float = 1.0, sr: int = 8_000, *, seed: int = 0) -> NDArray[np.float32]:
    """A tone at half scale in faint noise, shape (time,)."""
    time = np.arange(round(seconds * sr)) / sr
    noise = np.random.default_rng(seed).normal(size=len(time)) * 0.01
    return (0.5 * np.sin(2 * np.pi * frequency * time) + noise).astype(np.float32)


def write_tones(root: Path, *, clips: int = 10, sr: int = 8_000, seconds: float = 0.6) -> Path:
    """Class folders ``high``, ``low`` and ``noise``, two clips to a group ``gN``."""
    rng = np.random.default_rng(1_000)  # not one of the tones' seeds: their noise would be a copy of the label noise
    for label, low, high in (("high", 1500, 3000), ("low", 200, 500), ("noise", 0, 0)):
        (root / label).mkdir(parents=True)
        for i in range(clips):
            sound = (
                tone(rng.uniform(low, high), seconds, sr, seed=i)
                if high
                else rng.normal(size=round(seconds * sr)) * 0.2
            )
            soundfile.write(root / label / f"g{i // 2}_{i}.wav", sound, sr)
    return root


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Many small computations are several times as fast without threads that wait for each other."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set that a network learns in seconds; tests that change it write their own."""
    return write_tones(tmp_path_factory.mktemp("data") / "tones")


@pytest.fixture(scope="session")
def trained(tones: Path, tmp_path_factory: pytest.TempPathFactory) -> earmark.Result:
    """A bundle trained on `tones`; tests that change it copy it."""
    out = tmp_path_factory.mktemp("model") / "model"
    source = {"group_pattern": r"[^/]+/g\d+_"}
    return earmark.train(tones, out, **source, settings=TINY)


@pytest.fixture
def make_tones(tmp_path: Path) -> Callable[..., Path]:
    """Write a data set like `tones` that the test may damage."""
    return lambda **settings: write_tones(tmp_path / "tones", **settings)


class Run:
    """What a call printed and returned."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Call the command line; its log goes back to pytest afterwards."""
    logger = logging.getLogger("earmark")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)

    def call(*arguments: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["earmark", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return Run(int(stop.value.code or 0), captured.out, captured.err)

    return call
