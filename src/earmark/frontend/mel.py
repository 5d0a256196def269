"""Linear and mel spectrograms, and mel-frequency cepstral coefficients."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from earmark.audio.filters import DECIBELS, mel
from earmark.errors import SettingsError
from earmark.frontend.pcen import Pcen
from earmark.frontend.settings import FrontEndSettings


class LogPower(nn.Module):
    """Logarithm of the power, at each frequency or in each mel band.

    The mel filters are librosa's: triangles of equal area (``slaney``) or on the HTK formula's mel axis (``htk``).

    Parameters
    ----------
    sr, n_fft : int
    settings : FrontEndSettings
    mel : bool

    Shape
    -----
    Input, power, (..., frame, n_fft // 2 + 1), output (..., frame, row).
    """

    def __init__(self, sr: int, n_fft: int, settings: FrontEndSettings, *, mel: bool) -> None:
        super().__init__()
        self.floor = settings.floor
        self.bands = Banded(mel_filters(sr, n_fft, settings)) if mel else nn.Identity()
        self.size = settings.n_mels if mel else n_fft // 2 + 1

    def forward(self, power: Tensor) -> Tensor:
        """Natural logarithm of the floored power."""
        power = self.bands(power)
        return power.clamp(min=self.floor).log()


class Banded(nn.Module):
    """A product with filters of which each takes a short run of the frequencies: some of them at a time, without the zeros.

    Parameters
    ----------
    filters : ndarray, shape (filter, frequency)

    Shape
    -----
    Input (..., frequency), output (..., filter).
    """

    filters: Tensor
    together = 16
    """Filters at a time; measured in benchmarks/frontends.py."""

    def __init__(self, filters: np.ndarray[tuple[int, int], np.dtype[np.float32]]) -> None:
        super().__init__()
        self.register_buffer("filters", torch.from_numpy(filters.T.copy()))
        self.runs: list[tuple[slice, slice]] = []  # frequencies and filters
        for first in range(0, len(filters), self.together):
            taken = np.flatnonzero(filters[first : first + self.together].any(axis=0))
            self.runs.append((slice(int(taken[0]), int(taken[-1]) + 1), slice(first, first + self.together)))

    def forward(self, x: Tensor) -> Tensor:
        """Weighted sums of the frequencies."""
        if len(self.runs) == 1:  # few filters: twice as fast from this side
            return torch.matmul(self.filters.mT, x.mT).mT
        return torch.cat([torch.matmul(x[..., run], self.filters[run, some]) for run, some in self.runs], dim=-1)


class Scale(nn.Module):
    """What becomes of log power: itself, decibels, power, magnitude, or per-channel energy normalisation.

    Shape
    -----
    Input and output (batch, 1, row, frame).
    """

    def __init__(self, rows: int, frame_rate: float, settings: FrontEndSettings) -> None:
        super().__init__()
        self.scale = settings.scale
        self.size = rows
        if settings.scale.startswith("pcen"):
            self.pcen = Pcen(rows, frame_rate, trained=settings.scale == "pcen-trained")

    def forward(self, log_power: Tensor) -> Tensor:
        """Log power to the scale."""
        if self.scale == "log":
            return log_power
        if self.scale == "db":
            return log_power * DECIBELS
        if self.scale == "magnitude":
            return (log_power * 0.5).exp()
        power = log_power.exp()
        return power if self.scale == "power" else self.pcen(power)


class Mfcc(nn.Module):
    """Mel-frequency cepstral coefficients: orthonormal DCT-II of the mel bands in decibels, as librosa's, without its top_db.

    Shape
    -----
    Input, log power, (batch, 1, n_mels, frame), output (batch, 1, n_mfcc, frame).
    """

    transform: Tensor

    def __init__(self, settings: FrontEndSettings) -> None:
        super().__init__()
        bands, self.size = settings.n_mels, settings.n_mfcc
        order = np.arange(self.size)[:, None]
        transform = np.sqrt(2 / bands) * np.cos(np.pi / bands * order * (np.arange(bands)[None] + 0.5))
        transform[0] /= np.sqrt(2)
        if settings.lifter:
            transform *= 1 + settings.lifter / 2 * np.sin(np.pi * (order + 1) / settings.lifter)
        self.register_buffer("transform", torch.from_numpy((transform * DECIBELS).astype(np.float32)))

    def forward(self, log_power: Tensor) -> Tensor:
        """Log power of mel bands to coefficients."""
        return torch.matmul(self.transform, log_power)


def mel_filters(sr: int, n_fft: int, settings: FrontEndSettings) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """Shape (n_mels, n_fft // 2 + 1).

    Raises
    ------
    SettingsError
        Where bands would be empty.
    """
    filters = mel(sr, n_fft, settings.n_mels, settings.fmin, settings.fmax, scale=settings.mel_scale)
    empty = int((filters.max(axis=1) == 0).sum())
    if empty:
        raise SettingsError(
            f"setting n_mels is {settings.n_mels}; {empty} of the bands would be empty at {n_fft // 2 + 1} frequencies: "
            "take fewer, or a longer fft_seconds"
        )
    return filters
