from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from earmark import audio
from earmark.audio import synth
from earmark.data import fingerprint, layouts
from earmark.errors import AudioError, SettingsError

SR = 16_000
# Where each machine's wear sounds, in Hz.
FAULT = {"fan": (900, 1600), "pump": (3700, 4700), "slider": (2200, 3100), "valve": (4500, 7000)}


def decibels(x: np.ndarray, low: float, high: float) -> float:
    """Mean power between two frequencies."""
    frames = x[: len(x) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
    frequency = np.fft.rfftfreq(1024, 1 / SR)
    power = (np.abs(np.fft.rfft(frames)) ** 2).mean(axis=0)
    return float(10 * np.log10(power[(frequency >= low) & (frequency < high)].mean()))


def bands(x: np.ndarray) -> np.ndarray:
    """Levels of sixteen bands in dB."""
    return np.array([decibels(x, low, high) for low, high in pairwise(np.geomspace(60, 8000, 17))])


def copies(clips: list[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs that the search for near copies takes for one sound."""
    prints = [fingerprint.Fingerprint(SR) for _ in clips]
    for print_, clip in zip(prints, clips, strict=True):
        print_.push(clip)
    low = [audio.resample(clip, SR, fingerprint.SR) for clip in clips]
    return fingerprint.copies(
        [p.finish() for p in prints],
        lambda i, start, end: low[i][round(start * fingerprint.SR) : round(end * fingerprint.SR)],
    )


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


@pytest.mark.parametrize("kind", synth.MACHINES)
def test_machines(kind: str) -> None:
    def make(unit: int, wear: float, seed: int) -> np.ndarray:
        return synth.machine(kind, unit=unit, wear=wear, rng=np.random.default_rng(seed), seconds=1.0)

    assert np.array_equal(make(1, 0.5, 0), make(1, 0.5, 0))
    for other in (make(2, 0.5, 0), make(1, 0.9, 0), make(1, 0.5, 1)):
        assert not np.array_equal(make(1, 0.5, 0), other)
    assert make(1, 0.5, 0).dtype == np.float32
    assert np.abs(make(1, 0.5, 0)).max() == pytest.approx(0.5)
    assert len(make(1, 0.5, 0)) == 16_000


def test_noise_covers_the_machine_at_low_ratios() -> None:
    def wear_changes(snr_db: float) -> float:
        intact, worn = (
            synth.machine("valve", unit=1, wear=w, rng=np.random.default_rng(0), seconds=1.0, snr_db=snr_db)
            for w in (0.0, 1.0)
        )
        high = [np.abs(np.fft.rfft(x))[4500:7000].sum() / np.abs(np.fft.rfft(x)).sum() for x in (intact, worn)]
        return high[1] / high[0]

    assert wear_changes(20) > wear_changes(0) > wear_changes(-20)


def test_data_set(tmp_path: Path) -> None:
    folder = synth.write_machines(tmp_path / "data", units=2, clips=1, seconds=0.5)
    manifest = layouts.find(folder)
    assert manifest.layout == "metadata"
    assert len(manifest) == 16
    assert manifest.labels[:2] == ["fan_intact", "fan_worn"]
    assert manifest.table["group"].nunique() == 8


@pytest.mark.parametrize("kind", synth.MACHINES)
def test_wear_that_grows(kind: str) -> None:
    def make(wear: float | np.ndarray) -> np.ndarray:
        return synth.machine(kind, unit=1, wear=wear, rng=np.random.default_rng(0), seconds=4.0, snr_db=6.0)

    for wear in (0.0, 0.7):
        assert np.allclose(make(np.full(4 * SR, wear)), make(wear), atol=1e-6)
    intact, worn = make(0.0), make(1.0)
    late = make(np.repeat([0.0, 1.0], 2 * SR))
    # The first half is the intact clip's but for the one gain of the recording. The noise's ratio is that of the whole too.
    first, last = slice(SR // 4, 2 * SR), slice(9 * SR // 4, 4 * SR)
    assert np.corrcoef(late[first], intact[first])[0, 1] > 0.95
    assert np.corrcoef(late[last], worn[last])[0, 1] > 0.95
    contrast = {name: decibels(x[last], *FAULT[kind]) - decibels(x[first], *FAULT[kind]) for name, x in
                (("intact", intact), ("late", late), ("worn", worn))}  # fmt: skip
    assert contrast["late"] > max(contrast["intact"], contrast["worn"]) + 2


def test_late_bounces_leave_the_clicks_before_them_alone() -> None:
    def sound(wear: float | np.ndarray) -> np.ndarray:
        traits, rng = np.random.default_rng(1), np.random.default_rng(0)
        return synth.valve(np.arange(4 * SR) / SR, SR, wear, traits, rng, rng)

    intact, late = sound(0.0), sound(np.repeat([0.0, 1.0], 2 * SR))
    assert np.allclose(intact[SR // 4 : 2 * SR], late[SR // 4 : 2 * SR], atol=1e-9)


def test_mimii_tree(tmp_path: Path) -> None:
    def write(name: str, seed: int) -> Path:
        return synth.write_mimii(
            tmp_path / name, machines=("fan", "valve"), units=(0, 6), normal=3, abnormal=4, wear=(0.3, 0.9), seconds=1.0,
            seed=seed,
        )  # fmt: skip

    folder = write("a", 1)
    manifest = layouts.find(folder)
    assert manifest.layout == "mimii"
    table = manifest.table
    assert table.groupby(["machine", "id", "snr", "label"]).size().to_dict() == {
        (machine, unit, "-6", label): count
        for machine in ("fan", "valve") for unit in ("id_00", "id_06") for label, count in (("normal", 3), ("abnormal", 4))
    }  # fmt: skip
    assert table["path"].iloc[0] == "-6_dB_fan/fan/id_00/abnormal/00000000.wav"
    assert table["group"].nunique() == len(table) == 28
    with (folder / "wear.csv").open(encoding="utf-8") as file:
        wear = {row["path"]: float(row["wear"]) for row in csv.DictReader(file)}
    assert set(wear) == set(table["path"])
    assert [wear[f"-6_dB_valve/valve/id_06/abnormal/{n:08d}.wav"] for n in range(4)] == [0.3, 0.5, 0.7, 0.9]
    assert all(0 <= w <= 0.05 for path, w in wear.items() if "/normal/" in path)
    files = [folder / path for path in table["path"]]
    clips = [audio.decode(file).samples for file in files]
    assert {len(clip) for clip in clips} == {SR}
    assert copies(clips) == []
    assert copies([clips[0], clips[1], clips[0]]) == [(0, 2)]
    for other, same in ((write("b", 1), True), (write("c", 2), False)):
        assert all((other / p).read_bytes() == (folder / p).read_bytes() for p in table["path"]) == same


@pytest.mark.parametrize("kind", synth.MACHINES)
def test_watch_sounds_like_the_clips_of_its_unit(kind: str) -> None:
    blocks = list(synth.watch(kind, unit=2, seconds=40.0))
    clips = [synth.machine(kind, unit=2, wear=0.0, rng=np.random.default_rng(50 + n), seconds=10.0, snr_db=-6.0)
             for n in range(4)]  # fmt: skip
    assert np.abs(np.mean([bands(b) for b in blocks], axis=0) - np.mean([bands(c) for c in clips], axis=0)).max() < 2.0
    assert np.ptp([bands(b) for b in blocks], axis=0).max() < 2.5


@pytest.mark.parametrize("kind", synth.MACHINES)
def test_fault_sounds_within_its_stretch_alone(kind: str) -> None:
    intact = np.concatenate(list(synth.watch(kind, unit=1, seconds=30.0)))
    faulty = np.concatenate(list(synth.watch(kind, unit=1, seconds=30.0, faults=[(8.0, 14.0, 0.9)])))
    start, end = 8 * SR, 14 * SR + SR // 10
    assert np.array_equal(intact[:start], faulty[:start])
    # Gains are fixed and the noise is the same: what is left of a valve's levelling is rounding.
    assert np.allclose(intact[end:], faulty[end:], atol=1e-6)
    assert decibels(faulty[start:end], *FAULT[kind]) > decibels(intact[start:end], *FAULT[kind]) + 1.0


def test_watch_has_no_seams() -> None:
    # Nearly bare of noise, a fan is steady: no 50 ms at a seam may be louder, or less even, than those elsewhere.
    x = np.concatenate(list(synth.watch("fan", unit=3, seconds=60.0, snr_db=40.0))).astype(np.float64)
    assert len(x) == 60 * SR
    levels = np.array([rms(part) for part in x.reshape(-1, SR // 20)])
    steps = np.array([np.abs(np.diff(part, 2)).max() for part in x.reshape(-1, SR // 20)])
    seams = np.arange(200, 1200, 200)[:, None] + np.arange(-1, 11)
    elsewhere = np.delete(levels, seams.ravel())
    assert levels[seams].min() > 0.98 * elsewhere.min()
    assert levels[seams].max() < 1.02 * elsewhere.max()
    assert steps[seams].max() < 1.05 * np.delete(steps, seams.ravel()).max()
    # One tone over all pieces: 30 s across two seams resolve it to a single line.
    spectrum = np.abs(np.fft.rfft(x[5 * SR : 35 * SR] * np.hanning(30 * SR)))
    line = int(spectrum[30 * 85 : 30 * 250].argmax()) + 30 * 85
    assert spectrum[line - 2 : line + 3].max() > 20 * np.sort(spectrum[line - 30 : line + 31])[:50].max()


def test_watch_blocks_and_seeds() -> None:
    blocks = list(synth.watch("pump", unit=0, seconds=23.5, sr=8000, seed=4))
    assert [len(b) for b in blocks] == [80_000, 80_000, 28_000]
    assert all(b.dtype == np.float32 for b in blocks)
    again = synth.watch("pump", unit=0, seconds=23.5, sr=8000, seed=4)
    assert all(np.array_equal(a, b) for a, b in zip(blocks, again, strict=True))
    assert abs(np.corrcoef(blocks[0], blocks[1])[0, 1]) < 0.5
    assert not np.array_equal(next(synth.watch("pump", unit=0, seconds=23.5, sr=8000, seed=5)), blocks[0])
    with pytest.raises(SettingsError, match="from 20 to 30 s is not within the recording's 25 s"):
        next(synth.watch("pump", unit=0, seconds=25.0, faults=[(20.0, 30.0, 1.0)]))


def test_write_watch(tmp_path: Path) -> None:
    path = synth.write_watch(tmp_path / "new" / "day.wav", "valve", unit=1, seconds=21.0, faults=[(3.0, 5.0, 1.0)])
    wave = audio.decode(path)
    direct = np.concatenate(list(synth.watch("valve", unit=1, seconds=21.0, faults=[(3.0, 5.0, 1.0)])))
    assert wave.sr == SR
    assert len(wave.samples) == 21 * SR
    assert np.abs(wave.samples - direct).max() < 2**-15
    assert path.stat().st_size == 44 + 2 * 21 * SR
    assert [p.name for p in path.parent.iterdir()] == ["day.wav"]


def test_a_fault_of_the_blocks_leaves_no_file(tmp_path: Path) -> None:
    def broken() -> Iterator[np.ndarray]:
        yield np.zeros(100, np.float32)
        raise ValueError("from the maker of the blocks")

    from earmark.audio.encoders import encode_blocks

    with pytest.raises(ValueError, match="from the maker"):
        encode_blocks(tmp_path / "a.wav", broken(), SR)
    with pytest.raises(AudioError, match="cannot be written"):
        encode_blocks(tmp_path / "a.wav", [np.zeros((5, 2), np.float32)], SR)
    assert list(tmp_path.iterdir()) == []
