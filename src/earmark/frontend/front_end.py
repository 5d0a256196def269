"""Waveforms to what the network sees, as a torch module that is trained with, exported with and predicted with.

In the order of the data: `stft` cuts frames and gives their power, `mel` and `tonal` make rows of it, `pcen` may level them,
`stages` may take out levels, add differences over time or make a picture; `FrontEnd` puts them together and standardises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.audio.filters import mel_frequencies
from earmark.errors import SettingsError
from earmark.frontend.mel import LogPower, Mfcc, Scale
from earmark.frontend.settings import DELTA_WIDTH, FEATURES, MEL_SCALES, SCALES, FrontEndSettings
from earmark.frontend.stages import Deltas, Image, Level
from earmark.frontend.stft import Blockwise, PowerSpectrum
from earmark.frontend.tonal import Chroma, Contrast

__all__ = ["FEATURES", "MEL_SCALES", "SCALES", "FrontEnd", "FrontEndSettings", "hop_length"]

_LEAST_SHARE = 0.15
"""Least deviation of a row as a share of the largest; recordings at their own rate were seen to have 0.17 and above."""


class FrontEnd(nn.Module):
    """Features of every frame, stacked, each row standardised with statistics of the training part.

    Frames are not centred, and no frame depends on anything but its own samples, so that windows of a recording are runs of
    its frames. The work has three steps, since training keeps what the first gives, augments it and goes on: `rows`, `stack`,
    `standardise`.

    Parameters
    ----------
    sr : int
        Rate of the waveforms in Hz.
    settings : FrontEndSettings

    Attributes
    ----------
    channels, height : int
        Of the output.
    row_count : int
        Of `rows`.
    shortest : int
        Samples that one output takes.
    log_rows : Tensor of bool, shape (row_count, 1)
        Which rows are the logarithm of a power, whose level can be changed by adding.
    one_axis : bool
        The rows are one frequency axis, which can be warped.

    Shape
    -----
    Input (batch, time), output (batch, channels, height, frame) with ``frame = 1 + (time - n_fft) // hop_length``, or the width
    of the picture.

    Raises
    ------
    SettingsError
        For settings that do not fit the rate or each other.
    """

    mean: Tensor
    std: Tensor
    log_rows: Tensor

    def __init__(self, sr: int, settings: FrontEndSettings) -> None:
        super().__init__()
        settings.validate(sr)
        self.settings = settings
        self.sr = sr
        self.win_length = round(settings.fft_seconds * sr)
        self.n_fft = 1 << (self.win_length - 1).bit_length()
        self.hop_length = hop_length(sr, settings.hop_seconds)
        least = DELTA_WIDTH if settings.deltas and not settings.image_width else 1
        self.shortest = self.n_fft + (least - 1) * self.hop_length
        self.floor = settings.floor
        analysis = [self._analysis(name) for name in settings.names]
        self.sizes = [int(part.size) for part in analysis]
        self.row_count = sum(self.sizes)
        self.rows = Blockwise(
            Rows(PowerSpectrum(self.win_length, self.n_fft), analysis), self.row_count, self.n_fft, self.hop_length
        )
        self.finishes = nn.ModuleList(
            self._finish(name, size) for name, size in zip(settings.names, self.sizes, strict=True)
        )
        self.after = nn.Sequential()
        self.channels = 1 + settings.deltas
        self.height = sum(
            part.size if isinstance(part, Scale | Mfcc) else size
            for part, size in zip(self.finishes, self.sizes, strict=True)
        )
        if settings.level_range_db:
            self.after.append(Level(settings.level_range_db))
        if settings.image_height:
            self.after.append(
                Image(
                    settings.image_height,
                    settings.image_width,
                    settings.image_range_db,
                    decibels=settings.scale == "db",
                )
            )
            self.height = settings.image_height
        if settings.deltas:
            self.after.append(Deltas(settings.deltas))
        logs = [
            torch.full((size, 1), isinstance(part, LogPower)) for part, size in zip(analysis, self.sizes, strict=True)
        ]
        self.register_buffer("log_rows", torch.cat(logs), persistent=False)
        self.one_axis = len(analysis) == 1 and isinstance(analysis[0], LogPower)
        self.register_buffer("mean", torch.zeros(self.channels, self.height, 1))
        self.register_buffer("std", torch.ones(self.channels, self.height, 1))

    def forward(self, waveforms: Tensor) -> Tensor:
        """Standardised features."""
        return self.standardise(self.stack(self.rows(waveforms).transpose(1, 2).unsqueeze(1)))

    def rows_of(self, blocks: Iterable[Tensor]) -> Iterator[Tensor]:
        """Rows of a recording that comes in blocks of any size, equal to those of the whole.

        Parameters
        ----------
        blocks : iterable of Tensor, each of shape (time,)

        Yields
        ------
        Tensor, shape (frame, row)
            The frames that a block completes, if any.
        """
        held = torch.zeros(0)
        for block in blocks:
            held = torch.cat([held, block])
            count = max(0, 1 + (len(held) - self.n_fft) // self.hop_length)
            if count:
                yield self.rows(held[None])[0]
                held = held[count * self.hop_length :]

    def stack(self, rows: Tensor) -> Tensor:
        """Features before standardisation from rows, shape (batch, 1, row_count, frame) to (batch, channels, height, frame)."""
        parts = []
        first = 0
        for finish, size in zip(self.finishes, self.sizes, strict=True):
            parts.append(finish(rows if len(self.sizes) == 1 else rows[:, :, first : first + size]))
            first += size
        stacked: Tensor = self.after(parts[0] if len(parts) == 1 else torch.cat(parts, dim=2))
        return stacked

    def standardise(self, stacked: Tensor) -> Tensor:
        """Take the training part's mean off each row and divide by its deviation."""
        return torch.addcmul(-self.mean / self.std, stacked, 1 / self.std)

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Set the statistics of the training part, each of shape (channels, height)."""
        self.mean.copy_(mean[..., None])
        # What does not vary is not blown up. Bands above what was recorded are empty in training, but not in augmented clips and
        # other recordings; powers and magnitudes have no level that is small of itself.
        if self.settings.scale in ("power", "magnitude"):
            share, least = 1e-8, 1e-20
        else:
            bands = self.one_axis and self.settings.names[0] != "mfcc"  # of cepstra the higher ones vary less by nature
            share, least = _LEAST_SHARE if bands else 0.0, 1e-3
        self.std.copy_(torch.maximum(std, share * std.amax(1, keepdim=True)).clamp(min=least)[..., None])

    def frames(self, time: int, *, setting: str = "window_seconds") -> int:
        """Frames that a waveform of ``time`` samples gives; ``setting`` is where that number comes from.

        Raises
        ------
        SettingsError
            Where it is shorter than `shortest`.
        """
        if time < self.shortest:
            raise SettingsError(
                f"setting {setting} is {time / self.sr:g}; with this fft_seconds, hop_seconds and deltas it must be "
                f"{self.shortest / self.sr:g} at least"
            )
        return 1 + (time - self.n_fft) // self.hop_length

    def frequencies(self) -> NDArray[np.float64]:
        """Centre of each row in Hz, where the rows are `one_axis`."""
        settings = self.settings
        if settings.names[0] == "stft":
            return np.asarray(np.fft.rfftfreq(self.n_fft, 1 / self.sr), np.float64)
        return mel_frequencies(settings.n_mels + 2, settings.fmin, settings.fmax, scale=settings.mel_scale)[1:-1]

    def _analysis(self, name: str) -> LogPower | Chroma | Contrast:
        """What makes a feature's rows of the power spectrum."""
        if name == "chroma":
            return Chroma(self.sr, self.n_fft, self.settings)
        if name == "contrast":
            return Contrast(self.sr, self.n_fft, self.settings)
        return LogPower(self.sr, self.n_fft, self.settings, mel=name != "stft")

    def _finish(self, name: str, size: int) -> nn.Module:
        """What makes the feature of its rows."""
        if name == "mfcc":
            return Mfcc(self.settings)
        if name in ("mel", "stft"):
            return Scale(size, self.sr / self.hop_length, self.settings)
        return nn.Identity()


class Rows(nn.Module):
    """Frames to the rows of all features, from one spectrum.

    Shape
    -----
    Input (..., frame, n_fft), output (..., frame, row).
    """

    def __init__(self, spectrum: PowerSpectrum, parts: list[LogPower | Chroma | Contrast]) -> None:
        super().__init__()
        self.spectrum = spectrum
        self.parts = nn.ModuleList(parts)

    def forward(self, frames: Tensor) -> Tensor:
        """Rows of each frame."""
        power = self.spectrum(frames)
        rows = [part(power) for part in self.parts]
        return rows[0] if len(rows) == 1 else torch.cat(rows, dim=-1)


def hop_length(sr: int, hop_seconds: float) -> int:
    """Advance of the analysis frame in samples, at least 1."""
    return max(1, round(hop_seconds * sr))
