"""Seeded synthetic machine sounds: the demo's data set, and scenes for tests and benchmarks.

Every sound is a function of its arguments and a NumPy generator. They imitate the four machine types of MIMII (Purohit et
al. 2019).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.audio import encode
from earmark.files import atomic_file, make_folder

Samples = NDArray[np.float32]
_Floats = NDArray[np.float64]


def fan(seconds: float, sr: int, wear: float, unit: np.random.Generator, rng: np.random.Generator) -> _Floats:
    """Blade-pass harmonics over rushing air; wear beats at the shaft's rate and adds a bearing's whine."""
    t = _time(seconds, sr)
    shaft = unit.uniform(22, 30) * rng.uniform(0.98, 1.02)
    blades = int(unit.integers(4, 8))
    tones = _harmonics(t, shaft * blades, 8, rng)
    air = _band(len(t), sr, 150, 1800, rng)
    beat = 1 + 0.8 * wear * np.sin(2 * np.pi * shaft * t)
    bearing = _harmonics(t, shaft * unit.uniform(44, 52), 3, rng) * beat
    return (0.5 * tones + 0.6 * air) * beat + 0.5 * wear * bearing


def pump(seconds: float, sr: int, wear: float, unit: np.random.Generator, rng: np.random.Generator) -> _Floats:
    """Motor hum and pulsing flow; wear adds the crackle of cavitation."""
    t = _time(seconds, sr)
    hum = _harmonics(t, unit.uniform(48, 52) * 2, 6, rng)
    pulse = 1 + 0.7 * np.sin(2 * np.pi * unit.uniform(3, 6) * t + rng.uniform(0, 6.28))
    flow = _band(len(t), sr, 300, 1200, rng) * pulse
    crackle = _ring((rng.random(len(t)) < 180 / sr) * rng.normal(size=len(t)), sr, unit.uniform(3800, 4600), 0.002)
    return 0.5 * hum + 0.6 * flow + 0.8 * wear * _level(crackle)


def slider(seconds: float, sr: int, wear: float, unit: np.random.Generator, rng: np.random.Generator) -> _Floats:
    """Strokes to and fro with an end stop; wear makes the rail squeal."""
    t = _time(seconds, sr)
    phase = (t * unit.uniform(0.9, 1.4) + rng.uniform()) % 1
    stroke = np.maximum(np.sin(2 * np.pi * phase), 0) + 0.6 * np.maximum(-np.sin(2 * np.pi * phase), 0)
    friction = _band(len(t), sr, 800, 3000, rng) * stroke
    stops = _ring(np.diff(np.floor(phase * 2), prepend=0.0), sr, unit.uniform(220, 320), 0.02)
    squeal = np.sin(2 * np.pi * np.cumsum(unit.uniform(2300, 2900) * (1 + 0.05 * stroke)) / sr) * stroke
    return 0.8 * friction + 0.6 * _level(stops) + 0.6 * wear * squeal


def valve(seconds: float, sr: int, wear: float, unit: np.random.Generator, rng: np.random.Generator) -> _Floats:
    """Solenoid clicks over a faint hum; wear makes them bounce and leak."""
    t = _time(seconds, sr)
    period = int(sr / unit.uniform(3, 5))
    clicks = np.zeros(len(t))
    first = int(rng.integers(0, period))
    clicks[first::period] = 1
    bounce = np.roll(clicks, int(0.025 * sr)) * wear
    ringing = _ring(clicks + bounce, sr, unit.uniform(1400, 2000), 0.012)
    leak = _band(len(t), sr, 4500, 7000, rng)
    return _level(ringing) + 0.2 * _harmonics(t, 100, 3, rng) + 0.35 * wear * leak


MACHINES: Mapping[str, Callable[..., _Floats]] = {"fan": fan, "pump": pump, "slider": slider, "valve": valve}


def machine(
    kind: str,
    *,
    unit: int,
    wear: float,
    rng: np.random.Generator,
    seconds: float = 2.0,
    sr: int = 16_000,
    snr_db: float = 0.0,
) -> Samples:
    """A recording of one machine in factory noise.

    Parameters
    ----------
    kind : str
        One of `MACHINES`.
    unit : int
        Serial number: units of a kind differ in speed, size and resonances.
    wear : float
        0 intact, 1 plainly worn.
    rng : numpy.random.Generator
        What differs between recordings of the same unit.
    seconds, sr
        Length, and rate in Hz.
    snr_db : float
        Machine over noise.

    Returns
    -------
    ndarray of float32, shape (time,)
        With a peak of 0.5.
    """
    traits = np.random.default_rng([list(MACHINES).index(kind), unit])
    sound = _level(MACHINES[kind](seconds, sr, wear, traits, rng))
    mixed = sound + 10 ** (-snr_db / 20) * _level(_pink(len(sound), rng))
    return np.asarray(0.5 * mixed / np.abs(mixed).max(), np.float32)


def write_machines(
    folder: str | os.PathLike[str],
    *,
    units: int = 5,
    clips: int = 6,
    seconds: float = 2.0,
    sr: int = 16_000,
    snr_db: float = 3.0,
    seed: int = 0,
) -> Path:
    """Write the demo's data set: four machines, intact and worn, as WAV with a ``metadata.csv`` that groups by unit.

    Returns
    -------
    Path
        The folder.
    """
    root = make_folder(folder)
    make_folder(root / "audio")
    rng = np.random.default_rng(seed)
    rows = []
    for kind in MACHINES:
        for condition, low, high in (("intact", 0.0, 0.05), ("worn", 0.5, 1.0)):
            for unit in range(1, units + 1):
                for take in range(1, clips + 1):
                    name = f"audio/{kind}_{condition}_unit{unit}_{take}.wav"
                    wear = rng.uniform(low, high)
                    encode(
                        root / name,
                        machine(kind, unit=unit, wear=wear, rng=rng, seconds=seconds, sr=sr, snr_db=snr_db),
                        sr,
                    )
                    rows.append((name, f"{kind}_{condition}", f"{kind}-{unit}", kind))
    with atomic_file(root / "metadata.csv") as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("file_name", "label", "group", "machine"))
        writer.writerows(rows)
    return root


def _time(seconds: float, sr: int) -> _Floats:
    return np.arange(round(seconds * sr)) / sr


def _level(x: _Floats) -> _Floats:
    """Bring to a root mean square of 1; silence stays."""
    rms = float(np.sqrt(np.mean(np.square(x))))
    return x / rms if rms > 0 else x


def _harmonics(t: _Floats, frequency: float, count: int, rng: np.random.Generator) -> _Floats:
    """Harmonics that fall off as 1 / n, at random phases."""
    phases = rng.uniform(0, 2 * np.pi, count)
    return _level(
        np.sum([np.sin(2 * np.pi * frequency * n * t + p) / n for n, p in enumerate(phases, start=1)], axis=0)
    )


def _band(count: int, sr: int, low: float, high: float, rng: np.random.Generator) -> _Floats:
    """Noise of one band."""
    frequency = np.fft.rfftfreq(count, 1 / sr)
    spectrum = np.fft.rfft(rng.normal(size=count)) * ((frequency >= low) & (frequency <= high))
    return _level(np.fft.irfft(spectrum, count))


def _pink(count: int, rng: np.random.Generator) -> _Floats:
    """Noise with as much power in every octave."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)


def _ring(impulses: _Floats, sr: int, frequency: float, decay: float) -> _Floats:
    """Strike a resonance that dies away within a few times ``decay`` seconds."""
    t = np.arange(int(6 * decay * sr)) / sr
    return np.convolve(impulses, np.sin(2 * np.pi * frequency * t) * np.exp(-t / decay))[: len(impulses)]
