"""Settings of a training run: each with its text, its allowed range and its default."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from earmark.errors import SettingsError
from earmark.support.keywords import nearest
from earmark.training.options import AUTO

_SHORT, _FRAME, _FINE_HOP = 2.0, 0.032, 0.010  # seconds: words need finer frames than scenes
_EVEN_HOP = 16  # samples: the exported front end is several times as fast where hop and frame have a factor in common
GROUPS = {
    "sample_rate": "Waveforms",
    "remove_dc": "Levels: of each clip in training, of the whole recording in prediction, which is then held in memory",
    "fft_seconds": "Front end",
    "false_alarms": "Anomaly detectors",
    "network": "Network",
    "epochs": "Training",
    "mixup": "Augmentation",
}
"""The first setting of each group, and the group's name."""


def _setting(
    default: Any, about: str, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    return field(default=default, metadata={"about": about, "low": low, "high": high, "choices": choices})


@dataclass(frozen=True, kw_only=True)
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
    short_clip: str = _setting(
        "pad", "clips shorter than the window: filled with silence, or repeated", choices=("pad", "repeat")
    )
    shifts: int = _setting(
        1, "test-time augmentation: number of circular shifts of each window, and so that many times the work", 1, 64
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
        "mel", "one or more of mel, stft, mfcc, chroma, contrast, with commas; their frequency bins are stacked"
    )
    scale: str = _setting(
        "log",
        "scale of the power of mel and stft; pcen levels each band by its own past, pcen-trained learns how",
        choices=("log", "db", "power", "magnitude", "pcen", "pcen-trained"),
    )
    n_mels: int = _setting(64, "mel bands", 8, 512)
    mel_scale: str = _setting("slaney", "formula of the mel axis", choices=("slaney", "htk"))
    fmin: float = _setting(50.0, "lowest frequency of the mel bands in Hz", 0, 250_000)
    fmax: float = _setting(0.0, "highest frequency of the mel bands in Hz; 0: half the sample rate", 0, 250_000)
    floor: float = _setting(1e-6, "power below which the logarithm is cut off", 1e-12, 1)
    n_mfcc: int = _setting(20, "mel-frequency cepstral coefficients", 1, 512)
    lifter: float = _setting(0.0, "cepstral liftering; 0: none", 0, 1000)
    n_chroma: int = _setting(12, "pitch classes of chroma", 2, 96)
    contrast_bands: int = _setting(0, "octaves above 200 Hz of contrast; 0: as many as fit, at most 6", 0, 12)
    level_range_db: float = _setting(
        0.0,
        "take the level out of each window, and cut off what lies this far under its mean power; 0: keep it",
        0,
        200,
    )
    deltas: int = _setting(0, "differences over time as further channels: 1 for the first, 2 for the second too", 0, 2)
    image_height: int = _setting(0, "height in pixels of the image that image networks take; 0: no image", 0, 4096)
    image_width: int = _setting(0, "its width", 0, 4096)
    image_range_db: float = _setting(80.0, "decibels under the window's peak that are black in the image", 1, 200)
    # Anomaly detectors
    false_alarms: str = _setting(
        AUTO,
        "rate that the threshold is set for: 5% of normal windows, or 1/8h. auto: one in 8 hours, or as rare as the "
        "normal clips can show",
    )
    # Network
    network: str = _setting("resnet", "name in earmark.networks")
    width: float = _setting(1.0, "factor on the number of channels", 0.125, 8)
    members: int = _setting(
        1, "ensemble of N networks, each with its own loss and augmentation, whose logits are averaged", 1, 16
    )
    dropout: float = _setting(0.2, "share of the embedding dropped in training", 0, 0.9)
    # Training
    epochs: int = _setting(
        60, "passes over the training clips; where it is set, the next two are 0 unless they are set too", 1, 100_000
    )
    epochs_a_label: float = _setting(0.0, "further passes for each label: many labels take longer to learn", 0, 1000)
    min_steps: int = _setting(2500, "optimizer steps, at least: small data sets get more epochs", 0, 10_000_000)
    batch_size: int = _setting(32, "clips a step, about: clips are spread evenly over the steps", 2, 4096)
    lr: float = _setting(3e-3, "highest learning rate of the one-cycle schedule", 1e-6, 1)
    weight_decay: float = _setting(0.02, "of AdamW", 0, 1)
    ema: float = _setting(
        0.0,
        "share of the run over which weights are averaged; 0: the last weights; not with patience, which keeps the best",
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
        0.0, "exponent of the focal loss, which weights clips that are already right less; 0: off", 0, 10
    )
    bootstrap: float = _setting(
        0.0, "share of the target that the network predicts itself, against wrong labels", 0, 0.9
    )
    teachers: int = _setting(
        0,
        "number of networks trained first, from whose joint prediction the network then learns; 0: none; not with base=MODEL",
        0,
        16,
    )
    distill: float = _setting(0.7, "share of the target that the teachers predict", 0, 1)
    crop_seconds: float = _setting(
        5.0, "random segment of the window that training sees, in seconds; 0: the whole window", 0, 60
    )
    precision: str = _setting(
        "auto", "auto takes bf16 where the processor computes in it", choices=("auto", "float32", "bf16")
    )
    patience: int = _setting(
        0, "epochs without gain on the validation part before stopping; 0: no early stopping", 0, 10_000
    )
    validation: float = _setting(
        0.15,
        "share of the training groups held out: to draw validation curves, to stop early, or to choose multi-label thresholds",
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
        0.0, "MixStyle: share of the batches whose frequency bins take level and range from other clips", 0, 1
    )
    cutmix: float = _setting(
        0.0, "CutMix: share of the batches with segments of time or bands of other clips instead of mixup", 0, 1
    )
    unmixed: float = _setting(0.0, "share of the run, at its end, in which mixup and CutMix rest", 0, 1)
    time_masks: int = _setting(2, "SpecAugment: number of time masks", 0, 20)
    time_mask: float = _setting(0.1, "SpecAugment: longest time mask as a share of the input", 0, 1)
    frequency_masks: int = _setting(2, "SpecAugment: number of frequency masks", 0, 20)
    frequency_mask: float = _setting(0.12, "SpecAugment: widest frequency mask as a share of the bands", 0, 1)

    def __post_init__(self) -> None:
        """Refuse values out of range."""
        for setting in dataclasses.fields(self):
            _check(setting, getattr(self, setting.name))
        if self.teachers and self.scale == "pcen-trained":
            raise SettingsError(
                f"setting teachers is {self.teachers}; with scale=pcen-trained each has its own front end: remove one of them"
            )

        if self.sampler == "balanced" and self.class_weights == "balanced":
            raise SettingsError(
                "settings sampler and class_weights both balance the labels, which counts rare ones twice: remove one of them"
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


@dataclass(frozen=True)
class Setting:
    """What is known of one setting."""

    name: str
    group: str
    about: str
    default: Any
    low: float | None
    high: float | None
    choices: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """Its range or its choices, in words."""
        if self.choices:
            return ", ".join(self.choices)
        if self.low is None:
            return "a word"
        return f"{'whole numbers ' if isinstance(self.default, int) else ''}{self.low:g} to {self.high:g}"


def settings(names: Sequence[str] = ()) -> list[Setting]:
    """The settings of these names, or all of them, in the order of the groups.

    Raises
    ------
    SettingsError
        For an unknown name, with the nearest one that is known.
    """
    group, found = "", {}
    for f in dataclasses.fields(Recipe):
        group = GROUPS.get(f.name, group)
        found[f.name] = Setting(f.name, group, default=f.default, **f.metadata)
    for name in names:
        if name not in found:
            raise unknown(name, found)
    return [found[name] for name in names or found]


def unknown(name: str, known: Iterable[str]) -> SettingsError:
    """The error for a setting that does not exist."""
    return SettingsError(f"unknown setting {name!r}{nearest(name, known)}; earmark.settings lists all of them")


def _check(setting: dataclasses.Field[Any], value: Any) -> None:
    low, high, choices = (setting.metadata[k] for k in ("low", "high", "choices"))
    if choices and value not in choices:
        raise SettingsError(f"setting {setting.name} is {value!r}; choose one of {', '.join(choices)}")
    if low is not None and not low <= value <= high:
        raise SettingsError(f"setting {setting.name} is {value!r}; the allowed range is {low:g} to {high:g}")
