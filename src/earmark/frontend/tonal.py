"""Chroma and spectral contrast, straight from the power spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import SettingsError
from earmark.frontend.filters import chroma
from earmark.frontend.mel import DECIBELS, Banded
from earmark.frontend.settings import FrontEndSettings

_SMALLEST = 1e-10  # librosa's amin


class Chroma(nn.Module):
    """Energy of each pitch class, whatever its octave, relative to the strongest of the frame: librosa's chroma_stft at 440 Hz.

    librosa raises a frame to 1.0 however quiet it is; here one whose strongest class is under 1e-10 fades to 0.

    Shape
    -----
    Input, power, (..., frame, n_fft // 2 + 1), output (..., frame, n_chroma) in 0 to 1; a silent frame is 0.
    """

    def __init__(self, sr: int, n_fft: int, settings: FrontEndSettings) -> None:
        super().__init__()
        self.size = settings.n_chroma
        self.bands = Banded(chroma(sr, n_fft, self.size))

    def forward(self, power: Tensor) -> Tensor:
        """Pitch classes."""
        energy: Tensor = self.bands(power)
        return energy / energy.amax(dim=-1, keepdim=True).clamp(min=_SMALLEST)


class Contrast(nn.Module):
    """Decibels from the valleys to the peaks of each octave (Jiang et al. 2002), as librosa's spectral_contrast without its top_db.

    Of the magnitudes of a band, the mean of the largest fiftieth over the mean of the smallest; the bands are 0 to 200 Hz and the
    octaves above. librosa cuts at 80 dB under the loudest of the clip, which no frame here knows: the cut is at 1e-10. A valley
    emptier than float32 resolves, as beside a pure tone, is the rounding of the Fourier transform.

    Shape
    -----
    Input, power, (..., frame, n_fft // 2 + 1), output (..., frame, band).
    """

    lowest = 200.0  # Hz
    quantile = 0.02
    largest = 6  # octaves

    def __init__(self, sr: int, n_fft: int, settings: FrontEndSettings) -> None:
        super().__init__()
        fitting = int(np.ceil(np.log2(sr / 2 / self.lowest))) if sr / 2 > self.lowest else 0
        if not fitting:
            raise SettingsError(
                f"setting features names 'contrast'; a rate of {sr} Hz has no octave above 200 Hz for it"
            )
        octaves = settings.contrast_bands or min(self.largest, fitting)
        if not 1 <= octaves <= fitting:
            raise SettingsError(
                f"setting contrast_bands is {octaves}; at a rate of {sr} Hz the allowed range is 1 to {fitting}"
            )
        edges = [0.0, *(self.lowest * 2.0**k for k in range(octaves + 1))]
        frequencies = np.arange(n_fft // 2 + 1) * sr / n_fft
        bands = []
        for k, (low, high) in enumerate(pairwise(edges)):
            inside = np.flatnonzero((frequencies >= low) & (frequencies <= high))
            if len(inside) < 2:
                raise SettingsError(
                    f"setting fft_seconds is {settings.fft_seconds:g}; contrast needs two frequencies in a band, and {low:g} to "
                    f"{high:g} Hz holds {len(inside)}: take {2 / (min(high, sr / 2) - low):g} at least, or fewer contrast_bands"
                )
            first = inside[0] - (k > 0)
            end = n_fft // 2 + 1 if k == octaves else inside[-1] + 1
            count = max(1, int(np.rint(self.quantile * (end - first))))
            bands.append((int(first), int(end if k == octaves else end - 1), count))
        self.extremes = Extremes(bands)
        self.size = octaves + 1

    def forward(self, power: Tensor) -> Tensor:
        """Contrast of each band."""
        levels: Tensor = self.extremes(power).clamp(min=_SMALLEST).log() * DECIBELS
        return levels[..., 0::2] - levels[..., 1::2]


class Extremes(nn.Module):
    """Mean of the square roots of the largest and of the smallest values of each band.

    Parameters
    ----------
    bands : list of tuple of int
        First row, one past the last, and how many values count as extremes.

    Shape
    -----
    Input (..., frequency), output (..., 2 * band): the largest and the smallest of a band side by side.
    """

    def __init__(self, bands: list[tuple[int, int, int]]) -> None:
        super().__init__()
        self.bands = bands

    def forward(self, x: Tensor) -> Tensor:
        """Means of extremes."""
        leading = x.shape[:-1]
        x = x.reshape(-1, x.shape[-1]).T.contiguous()  # so that each step runs over all frames at once
        rows = [row for first, end, count in self.bands for row in _extremes(x[first:end], count)]
        return torch.stack(rows, dim=-1).reshape(*leading, -1)


def _extremes(x: Tensor, count: int) -> Sequence[Tensor]:
    """Mean of the square roots of the ``count`` largest and smallest rows at each place, (row, frame) to two of (frame,)."""
    if count == 1:
        return x.amax(dim=0).sqrt(), x.amin(dim=0).sqrt()
    found = _largest(torch.cat([x, -x], dim=1), count)
    return torch.chunk(found.abs().sqrt().mean(dim=0), 2)


def _largest(x: Tensor, count: int) -> Tensor:
    """The ``count`` largest rows at each place, (row, frame) to (count, frame); several times as fast as sorting.

    Batcher's bitonic network (1968) on whole rows: short sorted lists are merged two by two, and the better half stays.
    """
    length = 1 << (count - 1).bit_length()
    lists = 1 << max(0, -(-len(x) // length) - 1).bit_length()
    padded = F.pad(x, (0, 0, 0, length * lists - len(x)), value=-torch.inf)
    rows = _sorted(list(padded.reshape(length, lists, -1)))
    while lists > 1:
        lists //= 2
        rows = _cleaned([torch.maximum(a[:lists], b[lists:]) for a, b in zip(rows, rows[::-1], strict=True)])
    return torch.cat(rows[:count])


def _sorted(rows: list[Tensor]) -> list[Tensor]:
    """In falling order at each place."""
    if len(rows) == 1:
        return rows
    half = len(rows) // 2
    return _cleaned(_sorted(rows[:half]) + _sorted(rows[half:])[::-1])


def _cleaned(rows: list[Tensor]) -> list[Tensor]:
    """In falling order at each place, of rows that fall and then rise, or rise and then fall."""
    if len(rows) == 1:
        return rows
    pairs = list(zip(rows[: len(rows) // 2], rows[len(rows) // 2 :], strict=True))
    upper = [torch.maximum(a, b) for a, b in pairs]
    return _cleaned(upper) + _cleaned([torch.minimum(a, b) for a, b in pairs])
