"""Chroma and spectral contrast, straight from the power spectrum."""

from __future__ import annotations

from itertools import pairwise

import librosa
import numpy as np
import torch
from torch import Tensor, nn

from earmark.errors import SettingsError
from earmark.frontend.settings import FrontEndSettings

_SMALLEST = 1e-10  # librosa's amin


class Chroma(nn.Module):
    """Energy of each pitch class, whatever its octave, relative to the strongest of the frame: librosa's chroma_stft at 440 Hz.

    librosa raises a frame to 1.0 however quiet it is; here one whose strongest class is under 1e-10 fades to 0.

    Shape
    -----
    Input, power, (..., frame, n_fft // 2 + 1), output (..., frame, n_chroma) in 0 to 1; a silent frame is 0.
    """

    filters: Tensor

    def __init__(self, sr: int, n_fft: int, settings: FrontEndSettings) -> None:
        super().__init__()
        self.size = settings.n_chroma
        filters = librosa.filters.chroma(sr=sr, n_fft=n_fft, n_chroma=self.size, tuning=0.0)
        self.register_buffer("filters", torch.from_numpy(filters.T.astype(np.float32)))

    def forward(self, power: Tensor) -> Tensor:
        """Pitch classes."""
        energy = torch.matmul(power, self.filters)
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
        self.bands: list[tuple[int, int, int]] = []  # first bin, one past the last, number of extremes
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
            self.bands.append((int(first), int(end if k == octaves else end - 1), count))
        self.size = octaves + 1

    def forward(self, power: Tensor) -> Tensor:
        """Contrast of each band."""
        magnitude = power.sqrt()
        rows = [_extremes(magnitude[..., first:end], count) for first, end, count in self.bands]
        levels = torch.cat(rows, dim=-1).clamp(min=_SMALLEST).log() * float(10 / np.log(10))
        return levels[..., 0::2] - levels[..., 1::2]


def _extremes(x: Tensor, count: int) -> Tensor:
    """Mean of the largest and of the smallest ``count``, shape (..., 2)."""
    if count == 1:
        return torch.stack([x.amax(dim=-1), x.amin(dim=-1)], dim=-1)
    ends = [torch.topk(x, count, dim=-1, largest=largest, sorted=False)[0] for largest in (True, False)]
    return torch.stack([end.mean(dim=-1) for end in ends], dim=-1)
