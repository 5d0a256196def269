"""Seeded synthetic machine sounds: the demo's data set, and scenes for tests and benchmarks.

Every sound is a function of its arguments and a NumPy generator. They imitate the four machine types of MIMII (Purohit et
al. 2019). `machine` makes one clip, `watch` the long recording of one machine.

The four machines take the times ``t`` in seconds (shape (time,), evenly spaced at ``sr``), the ``wear`` at each of them or of
all, and three sources of chance: the ``unit``'s traits, what a recording draws once (``take``), and its noise (``rng``).
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earmark.audio import encode
from earmark.audio.encoders import encode_blocks
from earmark.errors import SettingsError
from earmark.support.files import atomic_file, make_folder
from earmark.support.progress import track

Samples = NDArray[np.float32]
_Floats = NDArray[np.float64]
Wear = float | _Floats
Fault = tuple[float, float, float]
"""Start and end in seconds, and the wear between them."""


class _Tape:
    """White noise for one piece of a long recording; where it overlaps the next piece, that one draws the same."""

    def __init__(self, key: tuple[int, ...], piece: int, overlap: int) -> None:
        self._key, self._piece, self._overlap, self._calls = key, piece, overlap, 0

    def normal(self, *, size: int) -> _Floats:
        here, after = self._generators()
        return np.concatenate([here.normal(size=size - self._overlap), after.normal(size=self._overlap)])

    def random(self, size: int) -> _Floats:
        here, after = self._generators()
        return np.concatenate([here.random(size - self._overlap), after.random(self._overlap)])

    def _generators(self) -> list[np.random.Generator]:
        self._calls += 1
        return [np.random.default_rng([*self._key, piece, self._calls]) for piece in (self._piece, self._piece + 1)]


_Noise = np.random.Generator | _Tape


def fan(t: _Floats, sr: int, wear: Wear, unit: np.random.Generator, take: np.random.Generator, rng: _Noise) -> _Floats:
    """Blade-pass harmonics over rushing air; wear beats at the shaft's rate and adds a bearing's whine."""
    shaft = unit.uniform(22, 30) * take.uniform(0.98, 1.02)
    blades = int(unit.integers(4, 8))
    tones = _harmonics(t, shaft * blades, 8, take)
    air = _band(len(t), sr, 150, 1800, rng)
    beat = 1 + 0.8 * wear * np.sin(2 * np.pi * shaft * t)
    bearing = _harmonics(t, shaft * unit.uniform(44, 52), 3, take) * beat
    return (0.5 * tones + 0.6 * air) * beat + 0.5 * wear * bearing


def pump(t: _Floats, sr: int, wear: Wear, unit: np.random.Generator, take: np.random.Generator, rng: _Noise) -> _Floats:
    """Motor hum and pulsing flow; wear adds the crackle of cavitation."""
    hum = _harmonics(t, unit.uniform(48, 52) * 2, 6, take)
    pulse = 1 + 0.7 * np.sin(2 * np.pi * unit.uniform(3, 6) * t + take.uniform(0, 6.28))
    flow = _band(len(t), sr, 300, 1200, rng) * pulse
    crackle = _ring((rng.random(len(t)) < 180 / sr) * rng.normal(size=len(t)), sr, unit.uniform(3800, 4600), 0.002)
    return 0.5 * hum + 0.6 * flow + 0.8 * wear * _level(crackle)


def slider(
    t: _Floats, sr: int, wear: Wear, unit: np.random.Generator, take: np.random.Generator, rng: _Noise
) -> _Floats:
    """Strokes to and fro with an end stop; wear makes the rail squeal."""
    phase = (t * unit.uniform(0.9, 1.4) + take.uniform()) % 1
    stroke = np.maximum(np.sin(2 * np.pi * phase), 0) + 0.6 * np.maximum(-np.sin(2 * np.pi * phase), 0)
    friction = _band(len(t), sr, 800, 3000, rng) * stroke
    stops = _ring(np.diff(np.floor(phase * 2), prepend=0.0), sr, unit.uniform(220, 320), 0.02)
    squeal = np.sin(2 * np.pi * np.cumsum(unit.uniform(2300, 2900) * (1 + 0.05 * stroke)) / sr) * stroke
    return 0.8 * friction + 0.6 * _level(stops) + 0.6 * wear * squeal


def valve(
    t: _Floats, sr: int, wear: Wear, unit: np.random.Generator, take: np.random.Generator, rng: _Noise
) -> _Floats:
    """Solenoid clicks over a faint hum; wear makes them bounce and leak."""
    period = int(sr / unit.uniform(3, 5))
    clicks = np.zeros(len(t))
    first = int(take.integers(0, period))
    clicks[(first - round(t[0] * sr)) % period :: period] = 1
    bounces = np.roll(clicks, int(0.025 * sr))
    tone = unit.uniform(1400, 2000)
    ringing = _ring(clicks + bounces * wear, sr, tone, 0.012)
    if isinstance(wear, np.ndarray):
        # By the level that the wear of each moment would give a whole recording: bounces that begin late must not
        # quieten the clicks before them.
        click, bounce = _ring(clicks, sr, tone, 0.012), _ring(bounces, sr, tone, 0.012)
        power = np.mean(click**2) + 2 * wear * np.mean(click * bounce) + wear**2 * np.mean(bounce**2)
        ringing = ringing / np.sqrt(power)
    else:
        ringing = _level(ringing)
    leak = _band(len(t), sr, 4500, 7000, rng)
    return ringing + 0.2 * _harmonics(t, 100, 3, take) + 0.35 * wear * leak


MACHINES: Mapping[str, Callable[..., _Floats]] = {"fan": fan, "pump": pump, "slider": slider, "valve": valve}


def machine(
    kind: str,
    *,
    unit: int,
    wear: Wear,
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
    wear : float, or ndarray of shape (time,)
        0 intact, 1 plainly worn; an array tells it for each sample, as wear that grows does.
    rng : numpy.random.Generator
        What differs between recordings of the same unit.
    seconds, sr
        Length, and rate in Hz.
    snr_db : float
        Machine over noise, over the whole recording.

    Returns
    -------
    ndarray of float32, shape (time,)
        With a peak of 0.5, wherever it lies: one gain for the whole recording.
    """
    sound, noise = _scene(kind, unit, wear, _time(seconds, sr), sr, rng, rng)
    mixed = _level(sound) + 10 ** (-snr_db / 20) * _level(noise)
    return np.asarray(0.5 * mixed / np.abs(mixed).max(), np.float32)


_PIECE = 10.0  # seconds; as long as MIMII's clips, so that what is levelled over a piece comes out as in a clip
_OVERLAP = 0.5


def watch(
    kind: str,
    *,
    unit: int,
    faults: Sequence[Fault] = (),
    seconds: float = 7200.0,
    sr: int = 16_000,
    snr_db: float = -6.0,
    seed: int = 0,
) -> Iterator[Samples]:
    """A long recording of one machine that runs on at one speed, intact but for ``faults``, in blocks.

    The gain is fixed, as a microphone's: such that an intact `machine` clip of 10 s of this unit is as loud on average. A
    fault adds to the sound and changes nothing before it, nor after its last ring has died away.

    Parameters
    ----------
    kind, unit, sr, snr_db
        As for `machine`; the ratio is that of the intact machine.
    faults : sequence of (start, end, wear)
        In seconds from the start of the recording; of several at a time, the last counts.
    seconds : float
        Length.
    seed : int
        What differs between recordings of the same unit.

    Yields
    ------
    ndarray of float32, shape (time,)
        10 s each, the last one what remains. Nothing is clipped: a fault may exceed full scale at high ratios.

    Raises
    ------
    SettingsError
        For a fault that is not within the recording.
    """
    for begin, end, _ in faults:
        if not 0 <= begin < end <= seconds:
            raise SettingsError(f"a fault from {begin:g} to {end:g} s is not within the recording's {seconds:g} s")
    hop, overlap, total = round(_PIECE * sr), round(_OVERLAP * sr), round(seconds * sr)
    machine_gain, noise_gain = _gains(kind, unit, sr, snr_db)
    key = (list(MACHINES).index(kind), unit, seed)
    # Neighbours hold the same tones and the same noise where they overlap, so the fade is linear. Its outer quarters are
    # left out: filters and strokes that a piece cuts off are wrong there. Only the phase of a slider's squeal differs.
    rise = np.clip(2 * np.arange(overlap) / overlap - 0.5, 0, 1)
    rest = np.zeros(0)
    for piece, start in enumerate(range(0, total, hop)):
        t = (start + np.arange(hop + overlap)) / sr
        wear = np.zeros(len(t))
        for begin, end, worn in faults:
            wear[(t >= begin) & (t < end)] = worn
        # The same draws in every piece, as in one recording; the last number keeps them apart from the pieces' noise.
        take, tape = np.random.default_rng([*key, 1]), _Tape(key, piece + 2, overlap)
        sound, noise = _scene(kind, unit, wear if wear.any() else 0.0, t, sr, take, tape)
        mixed = machine_gain * sound + noise_gain * noise
        if piece > 0:
            mixed[:overlap] = rest + rise * mixed[:overlap]
        rest = (1 - rise) * mixed[hop:]
        yield np.asarray(mixed[: min(hop, total - start)], np.float32)


def write_watch(
    path: str | os.PathLike[str],
    kind: str,
    *,
    unit: int,
    faults: Sequence[Fault] = (),
    seconds: float = 7200.0,
    sr: int = 16_000,
    snr_db: float = -6.0,
    seed: int = 0,
) -> Path:
    """Write `watch` block by block, as 16-bit where ``path`` ends in ``.wav``; 2 h at 16 kHz take 230 MB of disk.

    Returns
    -------
    Path
        The file.
    """
    target = Path(path)
    make_folder(target.parent)
    made = watch(kind, unit=unit, faults=faults, seconds=seconds, sr=sr, snr_db=snr_db, seed=seed)
    encode_blocks(target, track(made, "Writing", int(-(-seconds // _PIECE))), sr)
    return target


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
                    sound = machine(kind, unit=unit, wear=wear, rng=rng, seconds=seconds, sr=sr, snr_db=snr_db)
                    encode(
                        root / name,
                        sound - sound.mean(),  # pink noise has a mean, which a scan would call an offset
                        sr,
                    )
                    rows.append((name, f"{kind}_{condition}", f"{kind}-{unit}", kind))
    _write_table(root / "metadata.csv", ("file_name", "label", "group", "machine"), rows)
    return root


def write_mimii(
    folder: str | os.PathLike[str],
    *,
    machines: Sequence[str] = tuple(MACHINES),
    units: Sequence[int] = (0, 2, 4, 6),
    normal: int = 40,
    abnormal: int = 20,
    wear: tuple[float, float] = (0.2, 1.0),
    seconds: float = 10.0,
    sr: int = 16_000,
    snr_db: float = -6.0,
    seed: int = 0,
) -> Path:
    """Write clips in MIMII's tree, ``-6_dB_fan/fan/id_00/abnormal/00000000.wav``, and how worn each is in ``wear.csv``.

    Parameters
    ----------
    folder : path
        Made where it is missing.
    machines : sequence of str
        Of `MACHINES`.
    units : sequence of int
        As for `machine`; they become the ids.
    normal, abnormal : int
        Clips of each unit.
    wear : (low, high)
        Of the abnormal clips, evenly spread in the order of their numbers; that of normal ones is random, at most 0.05.
    seconds, sr, snr_db
        As for `machine`.
    seed : int
        Every clip has noise of its own, all of it drawn from this.

    Returns
    -------
    Path
        The folder.
    """
    root = make_folder(folder)
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, str]] = []
    for kind, unit in track([(kind, unit) for kind in machines for unit in units], "Writing"):
        worn = {"normal": rng.uniform(0.0, 0.05, normal), "abnormal": np.linspace(*wear, abnormal)}
        for condition, values in worn.items():
            inside = f"{snr_db:g}_dB_{kind}/{kind}/id_{unit:02d}/{condition}"
            make_folder(root / inside)
            for number, value in enumerate(values.tolist()):
                name = f"{inside}/{number:08d}.wav"
                clip = machine(kind, unit=unit, wear=value, rng=rng, seconds=seconds, sr=sr, snr_db=snr_db)
                encode(root / name, clip, sr)
                rows.append((name, f"{value:.4f}"))
    _write_table(root / "wear.csv", ("path", "wear"), rows)
    return root


def _write_table(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _scene(
    kind: str, unit: int, wear: Wear, t: _Floats, sr: int, take: np.random.Generator, rng: _Noise
) -> tuple[_Floats, _Floats]:
    """The machine and the factory's noise, each at a level of its own."""
    traits = np.random.default_rng([list(MACHINES).index(kind), unit])
    return MACHINES[kind](t, sr, wear, traits, take, rng), _pink(len(t), rng)


def _gains(kind: str, unit: int, sr: int, snr_db: float) -> tuple[float, float]:
    """What brings the parts of a scene to their usual levels in intact clips of this unit."""
    clips = []
    for take in map(np.random.default_rng, range(8)):
        sound, noise = _scene(kind, unit, 0.0, _time(_PIECE, sr), sr, take, take)
        peak = np.abs(_level(sound) + 10 ** (-snr_db / 20) * _level(noise)).max()
        clips.append((_rms(sound), _rms(noise), peak))
    sound_rms, noise_rms, peak = np.mean(clips, axis=0).tolist()
    return 0.5 / peak / sound_rms, 0.5 / peak / noise_rms * 10 ** (-snr_db / 20)


def _time(seconds: float, sr: int) -> _Floats:
    return np.arange(round(seconds * sr)) / sr


def _level(x: _Floats) -> _Floats:
    """Bring to a root mean square of 1; silence stays."""
    rms = _rms(x)
    return x / rms if rms > 0 else x


def _rms(x: _Floats) -> float:
    return float(np.sqrt(np.mean(np.square(x))))


def _harmonics(t: _Floats, frequency: float, count: int, rng: np.random.Generator) -> _Floats:
    """Harmonics that fall off as 1 / n, at random phases."""
    phases = rng.uniform(0, 2 * np.pi, count)
    return _level(
        np.sum([np.sin(2 * np.pi * frequency * n * t + p) / n for n, p in enumerate(phases, start=1)], axis=0)
    )


def _band(count: int, sr: int, low: float, high: float, rng: _Noise) -> _Floats:
    """Noise of one band."""
    frequency = np.fft.rfftfreq(count, 1 / sr)
    spectrum = np.fft.rfft(rng.normal(size=count)) * ((frequency >= low) & (frequency <= high))
    return _level(np.fft.irfft(spectrum, count))


def _pink(count: int, rng: _Noise) -> _Floats:
    """Noise with as much power in every octave."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    return np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), count)


def _ring(impulses: _Floats, sr: int, frequency: float, decay: float) -> _Floats:
    """Strike a resonance that dies away within a few times ``decay`` seconds."""
    t = np.arange(int(6 * decay * sr)) / sr
    return np.convolve(impulses, np.sin(2 * np.pi * frequency * t) * np.exp(-t / decay))[: len(impulses)]
