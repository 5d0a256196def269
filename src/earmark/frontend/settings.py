"""Settings of the front end and their allowed ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

from earmark.errors import SettingsError

FEATURES = ("mel", "stft", "mfcc", "chroma", "contrast")
SCALES = ("log", "db", "power", "magnitude", "pcen", "pcen-trained")
MEL_SCALES = ("slaney", "htk")
DELTA_WIDTH = 9
"""Frames, or pixels, under a difference over time."""
RANGES: dict[str, tuple[float, float]] = {
    "n_mels": (1, 512),
    "floor": (1e-12, 1),
    "lifter": (0, 1000),
    "n_chroma": (2, 96),
    "contrast_bands": (0, 12),
    "level_range_db": (0, 200),
    "deltas": (0, 2),
    "image_height": (0, 4096),
    "image_width": (0, 4096),
    "image_range_db": (1, 200),
}
"""Of the settings that depend on nothing else."""


@dataclass(frozen=True, kw_only=True)
class FrontEndSettings:
    """Settings of `FrontEnd`, in seconds and hertz, so that a model's resolution does not change with the rate.

    Attributes
    ----------
    fft_seconds, hop_seconds : float
        Length and advance of the analysis frame.
    features : str
        One or more of `FEATURES`, with commas between them; their rows are stacked.
    scale : str
        One of `SCALES`: what becomes of the power of ``mel`` and ``stft``.
    n_mels : int
        Mel bands, of ``mel`` and under ``mfcc``.
    mel_scale : str
        One of `MEL_SCALES`.
    fmin, fmax : float
        Edges of the mel bands in Hz.
    floor : float
        Power below which everything is silence to a logarithm.
    n_mfcc : int
        Coefficients.
    lifter : float
        Cepstral liftering; 0: none.
    n_chroma : int
        Pitch classes.
    contrast_bands : int
        Octaves above 200 Hz; 0: as many as fit, at most 6.
    level_range_db : float
        Each window's level is taken out, and what lies this far under its mean power is cut off; 0: levels are kept.
    deltas : int
        Orders of differences over time, each a channel of its own; of a picture, over its width.
    image_height, image_width : int
        Size of the picture that notebooks feed to image networks: decibels under the window's peak, resized; 0: none.
    image_range_db : float
        Decibels under the peak that are black.
    """

    fft_seconds: float
    hop_seconds: float
    n_mels: int
    fmin: float
    fmax: float
    floor: float
    features: str = "mel"
    scale: str = "log"
    mel_scale: str = "slaney"
    n_mfcc: int = 20
    lifter: float = 0.0
    n_chroma: int = 12
    contrast_bands: int = 0
    level_range_db: float = 0.0
    deltas: int = 0
    image_height: int = 0
    image_width: int = 0
    image_range_db: float = 80.0

    @property
    def names(self) -> tuple[str, ...]:
        """The features, in the order of their rows."""
        return tuple(name.strip() for name in self.features.split(","))

    def validate(self, sr: int) -> None:
        """Refuse what does not fit together, or not the rate; what needs the matrices is refused by their makers.

        Raises
        ------
        SettingsError
            Naming the setting, its value and what is allowed.
        """
        self._check_words()
        self._check_numbers()
        self._check_frames(sr)
        if "mfcc" in self.names and not 1 <= self.n_mfcc <= self.n_mels:
            raise SettingsError(f"setting n_mfcc is {self.n_mfcc}; the allowed range is 1 to n_mels, {self.n_mels}")
        self._check_image()
        if self.level_range_db and (self.features not in ("mel", "stft") or self.scale != "log"):
            raise SettingsError(
                f"setting level_range_db is {self.level_range_db:g}; it takes features mel or stft alone, with scale log; "
                "0 switches it off"
            )

    def _check_words(self) -> None:
        """What is chosen from lists."""
        for name in self.names:
            if name not in FEATURES:
                raise SettingsError(f"setting features names {name!r}; choose among {', '.join(FEATURES)}")
        if len(set(self.names)) < len(self.names):
            raise SettingsError(f"setting features is {self.features!r}; name each of them once")
        for setting, choices in (("scale", SCALES), ("mel_scale", MEL_SCALES)):
            if getattr(self, setting) not in choices:
                raise SettingsError(
                    f"setting {setting} is {getattr(self, setting)!r}; choose one of {', '.join(choices)}"
                )

    def _check_numbers(self) -> None:
        """Each number by itself."""
        for setting, (low, high) in RANGES.items():
            value = getattr(self, setting)
            if not low <= value <= high:
                raise SettingsError(f"setting {setting} is {value:g}; the allowed range is {low:g} to {high:g}")
        for setting in ("fft_seconds", "hop_seconds", "fmin", "fmax"):
            if not math.isfinite(getattr(self, setting)):
                raise SettingsError(f"setting {setting} is {getattr(self, setting):g}; it must be a finite number")

    def _check_frames(self, sr: int) -> None:
        """Lengths and frequencies against each other and the rate."""
        if not self.fft_seconds * sr >= 4:
            raise SettingsError(
                f"setting fft_seconds is {self.fft_seconds:g}; at a rate of {sr} Hz it must be {4 / sr:g} at least"
            )
        # In samples: at 22.05 kHz a hop of 32 ms is rounded, and would be longer than a frame of 32 ms.
        if not self.hop_seconds > 0 or round(self.hop_seconds * sr) > round(self.fft_seconds * sr):
            raise SettingsError(
                f"setting hop_seconds is {self.hop_seconds:g}; it must be above 0 and at most fft_seconds, "
                f"{self.fft_seconds:g}"
            )
        if self.fmax > sr / 2:
            raise SettingsError(f"setting fmax is {self.fmax:g} Hz; at a rate of {sr} Hz it may be at most {sr / 2:g}")
        if not 0 <= self.fmin < self.fmax:
            raise SettingsError(
                f"setting fmin is {self.fmin:g} Hz; it must be 0 at least and lie below fmax, {self.fmax:g}"
            )

    def _check_image(self) -> None:
        """Size and source of the picture."""
        if (self.image_height == 0) != (self.image_width == 0):
            raise SettingsError(
                f"settings image_height and image_width are {self.image_height} and {self.image_width}; "
                "give both, or 0 for both"
            )
        if self.image_height and (
            len(self.names) > 1 or self.scale not in ("log", "db") or self.names[0] not in ("mel", "stft")
        ):
            raise SettingsError(
                f"setting image_height is {self.image_height}; an image is made of mel or stft alone, with the scale log or db"
            )
        if self.deltas and 0 < self.image_width < DELTA_WIDTH:
            raise SettingsError(
                f"setting image_width is {self.image_width}; with deltas it must be {DELTA_WIDTH} at least"
            )
