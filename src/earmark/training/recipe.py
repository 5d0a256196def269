"""Training settings: named recipes as TOML, each setting with its allowed range.

A recipe is a tier, what time it may take (`TIERS`), and a kind, what sound it is for (`KINDS`): ``fast+speech``. The kind's file
has the settings that are the same in every tier, then a table for each tier whose settings differ.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from earmark.data.conditions import are_conditions
from earmark.errors import SettingsError

AUTO = "auto"
TIERS = ("fast", "balanced", "best")
KINDS = ("general", "speech", "machine")
MINIMUMS = ("epochs_a_label", "min_steps")
"""What makes a run longer than its ``epochs``."""
DETECTOR, FINETUNE = "anomaly", "finetune"
"""The recipes of anomaly detectors, and of going on from a trained model."""
_TIER, _KIND = "balanced", "general"  # where a name has only the other
_SPOKEN = frozenset(
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "forward", "backward", "follow", "learn", "visual",
        "neutral", "calm", "happy", "happiness", "sad", "sadness", "angry", "anger", "fearful", "fear", "disgust", "disgusted",
        "surprised", "surprise", "boredom", "bored", "contempt",
    ]
)  # fmt: skip
_SPEECH_LAYOUTS = frozenset(["speech-commands", "fsdd", "audiomnist", "ravdess", "emodb"])
_SHORT, _FRAME, _FINE_HOP = 2.0, 0.032, 0.010  # seconds: words need finer frames than scenes
_EVEN_HOP = 16  # samples: the exported front end is several times as fast where hop and frame have a factor in common


def _setting(
    default: Any, about: str, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run. Zero means "found from the data" where the description says so."""

    # Waveforms
    sample_rate: int = _setting(0, "Hz; 0: the commonest rate of the data, at most 32000", 0, 500_000)
    window_seconds: float = _setting(
        0.0,
        "model input in seconds; 0: the usual clip length, 0.5 to 10 s, or crop_seconds where clips are of uneven length",
        0,
        60,
    )
    stride_seconds: float = _setting(0.0, "advance of the window in seconds; 0: half a window", 0, 60)
    short_clip: str = _setting("pad", "what clips shorter than the window become", choices=("pad", "repeat"))
    shifts: int = _setting(
        1,
        "how often each window is heard in prediction, shifted in time round its end: that many times the work",
        1,
        64,
    )
    # Levels, of each clip in training and of the whole recording in prediction, which then is held in memory
    remove_dc: int = _setting(0, "1: take off the mean", 0, 1)
    trim_db: float = _setting(
        0.0, "trim what is this many dB below the loudest from both ends, from 1; 0: no trimming", 0, 200
    )
    normalise: str = _setting("none", "scale to a peak of 1, or to an RMS of -20 dBFS", choices=("none", "peak", "rms"))
    # Front end
    fft_seconds: float = _setting(
        0.0, "length of the analysis frame in seconds; 0: 0.032 for windows up to 2 s, else long_fft_seconds", 0, 1
    )
    long_fft_seconds: float = _setting(0.032, "the same for windows of more than 2 s", 0.002, 1)
    hop_seconds: float = _setting(
        0.0,
        "advance of the analysis frame in seconds; 0: about 0.01 for windows up to 2 s, else long_hop_seconds",
        0,
        1,
    )
    long_hop_seconds: float = _setting(0.016, "the same for windows of more than 2 s", 0.001, 1)
    features: str = _setting(
        "mel", "one or more of mel, stft, mfcc, chroma, contrast, with commas; their rows are stacked"
    )
    scale: str = _setting(
        "log",
        "what becomes of the power of mel and stft; pcen levels each band by its own past, pcen-trained learns how",
        choices=("log", "db", "power", "magnitude", "pcen", "pcen-trained"),
    )
    n_mels: int = _setting(64, "mel bands", 8, 512)
    mel_scale: str = _setting("slaney", "formula of the mel axis", choices=("slaney", "htk"))
    fmin: float = _setting(50.0, "lowest frequency of the mel bands in Hz", 0, 250_000)
    fmax: float = _setting(0.0, "highest frequency of the mel bands in Hz; 0: half the sample rate", 0, 250_000)
    floor: float = _setting(1e-6, "power below which everything is silence to the logarithm", 1e-12, 1)
    n_mfcc: int = _setting(20, "mel-frequency cepstral coefficients", 1, 512)
    lifter: float = _setting(0.0, "cepstral liftering; 0: none", 0, 1000)
    n_chroma: int = _setting(12, "pitch classes of chroma", 2, 96)
    contrast_bands: int = _setting(0, "octaves above 200 Hz of contrast; 0: as many as fit, at most 6", 0, 12)
    level_range_db: float = _setting(
        0.0,
        "each window's level is taken out, also that of silence, and what lies this far under its mean power is cut off; 0: kept",
        0,
        200,
    )
    deltas: int = _setting(0, "differences over time as further channels: 1 for the first, 2 for the second too", 0, 2)
    image_height: int = _setting(
        0, "height of the picture that image networks are fed in pixels; 0: no picture", 0, 4096
    )
    image_width: int = _setting(0, "its width", 0, 4096)
    image_range_db: float = _setting(80.0, "decibels under the window's peak that are black in the picture", 1, 200)
    # Anomaly detectors
    false_alarms: str = _setting(
        AUTO,
        "what the threshold is set for: a share of normal windows (5%), a number an hour (1/8h), or auto: one in 8 h, or as rare "
        "as the normal sound at hand can show",
    )
    # Network
    network: str = _setting("resnet", "name in earmark.networks")
    width: float = _setting(1.0, "factor on the number of channels", 0.125, 8)
    members: int = _setting(
        1, "networks side by side, each with its own loss and augmentation, whose logits are averaged", 1, 16
    )
    dropout: float = _setting(0.2, "share of the embedding dropped in training", 0, 0.9)
    # Training
    epochs: int = _setting(
        60, "passes over the training clips; where it is set, the next two are 0 unless they are set too", 1, 100_000
    )
    epochs_a_label: float = _setting(
        0.0, "further passes for each label: many labels take longer to tell apart", 0, 1000
    )
    min_steps: int = _setting(2500, "optimizer steps, at least: small data sets get more epochs", 0, 10_000_000)
    batch_size: int = _setting(32, "clips a step, about: the clips are dealt out evenly", 2, 4096)
    lr: float = _setting(3e-3, "highest learning rate of the one-cycle schedule", 1e-6, 1)
    weight_decay: float = _setting(0.02, "of AdamW", 0, 1)
    ema: float = _setting(
        0.0,
        "share of the run that averaged weights remember; 0: the last weights; not with patience, which keeps the best",
        0,
        1,
    )
    label_smoothing: float = _setting(0.1, "share of the target spread over all labels", 0, 0.9)
    class_weights: str = _setting(
        "none", "weights of the loss: balanced gives rare labels more", choices=("none", "balanced")
    )
    sampler: str = _setting(
        "none",
        "draws of the training clips: balanced takes every label as often as any other",
        choices=("none", "balanced"),
    )
    focal: float = _setting(
        0.0, "exponent of the focal loss, by which what is right already counts less; 0: off", 0, 10
    )
    bootstrap: float = _setting(
        0.0, "share of the target that is the network's own opinion, against wrong labels", 0, 0.9
    )
    teachers: int = _setting(
        0,
        "networks that are trained first, from whose joint opinion the network then learns; 0: none; not with --from",
        0,
        16,
    )
    distill: float = _setting(0.7, "share of the target that is the teachers' opinion", 0, 1)
    crop_seconds: float = _setting(
        5.0, "random stretch of the window seen in training, in seconds; 0: the whole window", 0, 60
    )
    precision: str = _setting(
        "auto", "auto takes bf16 where the processor computes in it", choices=("auto", "float32", "bf16")
    )
    patience: int = _setting(
        0, "epochs without gain on the validation part before stopping; 0: no early stopping", 0, 10_000
    )
    validation: float = _setting(
        0.15,
        "share of the training groups held out to stop early, or to choose the thresholds of several labels: 1/2, 1/3 and so on",
        0.02,
        0.5,
    )
    # Augmentation
    mixup: float = _setting(0.2, "alpha of the Beta distribution of mixup, by level; 0: off", 0, 10)
    roll: float = _setting(1.0, "largest shift in time as a share of the input", 0, 1)
    time_stretch: float = _setting(0.0, "largest change of tempo; 0.2 means a factor of 1.2 either way", 0, 1)
    mel_warp: float = _setting(0.2, "largest warp of one frequency axis alone, as time_stretch", 0, 1)
    gain_db: float = _setting(6.0, "largest change of level in dB, either way", 0, 60)
    filter_db: float = _setting(
        0.0, "FilterAugment, as another microphone: largest change in dB; 0: off; of one frequency axis alone", 0, 60
    )
    noise: float = _setting(
        0.0, "share of the clips that steady noise of any colour is added to; of one frequency axis alone", 0, 1
    )
    noise_snr_db: float = _setting(0.0, "lowest ratio of clip to noise in dB; the highest is 30 dB above it", -60, 60)
    reverb: float = _setting(0.0, "share of the clips that are put into a room", 0, 1)
    reverb_seconds: float = _setting(0.6, "longest time in which the room's sound decays by 60 dB", 0.05, 10)
    mixstyle: float = _setting(
        0.0, "MixStyle: share of the batches whose rows take level and range from other clips", 0, 1
    )
    cutmix: float = _setting(
        0.0, "CutMix: share of the batches with stretches of time or bands of other clips instead of mixup", 0, 1
    )
    unmixed: float = _setting(0.0, "share of the run, at its end, in which mixup and CutMix rest", 0, 1)
    time_masks: int = _setting(2, "SpecAugment: number of stretches of time blanked", 0, 20)
    time_mask: float = _setting(0.1, "SpecAugment: longest such stretch as a share of the input", 0, 1)
    frequency_masks: int = _setting(2, "SpecAugment: number of bands blanked", 0, 20)
    frequency_mask: float = _setting(0.12, "SpecAugment: widest such band as a share of the bands", 0, 1)

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for setting in dataclasses.fields(self):
            _check(setting, getattr(self, setting.name))
        if self.teachers and self.scale == "pcen-trained":
            raise SettingsError(
                f"setting teachers is {self.teachers}; with scale=pcen-trained each hears in its own way: leave out one of them"
            )

        if self.sampler == "balanced" and self.class_weights == "balanced":
            raise SettingsError(
                "settings sampler and class_weights both balance the labels, which counts rare ones twice: leave out one of them"
            )

    def to_dict(self) -> dict[str, Any]:
        """All settings."""
        return dataclasses.asdict(self)

    def frame_seconds(self, seconds: float) -> float:
        """Length of the analysis frame, for clips of this length in seconds."""
        return self.fft_seconds or (_FRAME if seconds <= _SHORT else self.long_fft_seconds)

    def hop_length(self, sr: int, seconds: float) -> int:
        """Advance of the analysis frame in samples at a rate in Hz, for clips of this length in seconds."""
        if self.hop_seconds:
            return max(1, round(self.hop_seconds * sr))
        usual = _FINE_HOP if seconds <= _SHORT else self.long_hop_seconds
        even = _EVEN_HOP * max(1, round(usual * sr / _EVEN_HOP))
        return min(even, max(1, int(self.frame_seconds(seconds) * sr)))


def names() -> list[str]:
    """Names of the recipes that come with Earmark."""
    return sorted(
        p.name.removesuffix(".toml")
        for p in resources.files("earmark.training.recipes").iterdir()
        if p.name.endswith(".toml")
    )


def suited(labels: Iterable[str], layout: str = "") -> tuple[str, str]:
    """Kind of recipe that suits a data set of these labels, lying in this layout of `earmark.data.layouts`, and why."""
    words = {label.casefold() for label in labels}
    if are_conditions(labels):
        return "machine", f"the labels are conditions of machines ({', '.join(sorted(labels))})"
    if layout in _SPEECH_LAYOUTS:
        return "speech", f"{layout} is speech"
    if len(words) > 2 and words <= _SPOKEN:
        return "speech", f"the labels are spoken words or emotions ({', '.join(sorted(labels)[:3])} ...)"
    return _KIND, "sounds of any kind"


def resolved(name: str, labels: Iterable[str], layout: str = "") -> tuple[str, str]:
    """Full name of a recipe, its tier and its kind, and why that kind where the name has none."""
    if name == AUTO or name in TIERS:
        kind, why = suited(labels, layout)
        return f"{_TIER if name == AUTO else name}+{kind}", why
    return f"{_TIER}+{name}" if name in KINDS else name, ""


def named(name: str) -> set[str]:
    """Settings that a recipe names; the others are at their defaults."""
    return set(_read(name))


def given(name: str, changes: Iterable[str] = ()) -> set[str]:
    """Settings that the user set: by ``key=value`` changes, or in a .toml file of their own; a shipped recipe's are defaults."""
    changed = {change.partition("=")[0].strip() for change in changes}
    return changed | (named(name) if name.endswith(".toml") else set())


def load(name: str = AUTO, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply ``key=value`` changes.

    What the user sets is what runs: where ``epochs`` is set, by a change or in the user's own file, ``epochs_a_label`` and
    ``min_steps`` are 0 unless they are set too.

    Parameters
    ----------
    name : str
        One of `names`, a tier and a kind joined by ``+``, or a path to a TOML file, of which settings that it does not name are at
        their defaults. A tier alone is for any sound, a kind alone balanced; ``auto``, where nothing is known of the data, is both.
    changes : iterable of str
        As given to ``--set``.

    Raises
    ------
    SettingsError
        For an unknown recipe or key, or a value of the wrong type or out of range.
    """
    changes = list(changes)
    values, own_settings = _read(name), given(name, changes)
    if own := [key for key in values if key in TIERS]:
        raise SettingsError(
            f"{name}: [{own[0]}] is for the recipes that come with Earmark; name its settings by themselves"
        )
    fields = {f.name: f for f in dataclasses.fields(Recipe)}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise SettingsError(f"--set {change}: has no '='; write --set key=value")
        values[key.strip()] = text.strip()
    for key, value in values.items():
        if key not in fields:
            raise SettingsError(f"unknown setting {key!r}; the settings are {', '.join(fields)}")
        values[key] = _typed(key, value, type(fields[key].default))
    if "level_range_db" not in own_settings and not _has_levels(values):
        values.pop("level_range_db", None)  # the recipe's, which does not go with the features that are asked for
    if "epochs" in own_settings:
        values |= {minimum: 0 for minimum in MINIMUMS if minimum not in own_settings}
    return Recipe(**values)


def _has_levels(values: dict[str, Any]) -> bool:
    """Whether the features are ones whose level can be taken out."""
    return values.get("features", "mel") in ("mel", "stft") and values.get("scale", "log") == "log"


def _read(name: str) -> dict[str, Any]:
    try:
        if name.endswith(".toml"):
            return tomllib.loads(Path(name).read_text(encoding="utf-8"))
        tier, kind = _parts(name)
        values = _shipped(tier)
        if kind:
            of_kind = _shipped(kind)
            of_tier = {t: of_kind.pop(t, {}) for t in TIERS}[tier]
            values |= of_kind | of_tier
        return values
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}; check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: is not valid TOML: {error}; correct it") from error


def _parts(name: str) -> tuple[str, str]:
    """Tier and kind of a name, or a recipe that stands by itself and nothing."""
    if name == AUTO:
        return _TIER, _KIND
    first, plus, second = name.partition("+")
    if plus and first in TIERS and second in KINDS:
        return first, second
    if plus or name not in names():
        raise SettingsError(
            f"unknown recipe {name!r}; choose one of {', '.join(names())}, one of {', '.join(TIERS)} joined to one of "
            f"{', '.join(KINDS)} by '+', or give the path of a .toml file"
        )
    if name in TIERS:
        return name, _KIND
    return (_TIER, name) if name in KINDS else (name, "")


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(
        resources.files("earmark.training.recipes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    )


def _typed(key: str, value: Any, kind: type) -> Any:
    try:
        if isinstance(value, list) and kind is str:
            return ",".join(str(v) for v in value)
        if isinstance(value, bool) or (kind is int and isinstance(value, float)):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError) as error:
        expected = {int: "a whole number", float: "a number", str: "a word"}[kind]
        raise SettingsError(f"setting {key} is {value!r}; give {expected}") from error


def _check(setting: dataclasses.Field[Any], value: Any) -> None:
    low, high, choices = (setting.metadata[k] for k in ("low", "high", "choices"))
    if choices and value not in choices:
        raise SettingsError(f"setting {setting.name} is {value!r}; choose one of {', '.join(choices)}")
    if low is not None and not low <= value <= high:
        raise SettingsError(f"setting {setting.name} is {value!r}; the allowed range is {low:g} to {high:g}")
