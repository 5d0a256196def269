"""Chroma and spectral contrast, straight from the power spectrum."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.audio.filters import DECIBELS, chroma
from earmark.errors import SettingsError
from earmark.frontend.mel import Banded
from earmark.frontend.settings import FrontEndSettings

_SMALLEST = 1e-10  # librosa's amin
_RESOLVED = 1e-6  # of a frame's largest magnitude: ten times what float32 loses in a Fourier transform


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
    octaves above. librosa cuts both at 80 of its decibels under the loudest of the clip, which no frame here knows: the cut is at a
    millionth of the loudest of the frame, and at 1e-10. What lies deeper, as beside a pure tone or above the recording's own rate,
    is the rounding of the Fourier transform.

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
        whole = 1 + int(np.log2(max(1.0, (sr / 2 - 2 * sr / n_fft) / self.lowest)))  # with two frequencies in the last
        octaves = settings.contrast_bands or min(self.largest, fitting, whole)
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
        levels: Tensor = self.extremes(power)
        cut = (levels.amax(dim=-1, keepdim=True) * _RESOLVED).clamp(min=_SMALLEST)
        levels = torch.maximum(levels, cut)
        return (levels[..., 0::2] / levels[..., 1::2]).log() * DECIBELS


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
        if x.device.type == "cpu" and not x.requires_grad:
            found = torch.from_numpy(self._in_numpy(x.reshape(-1, x.shape[-1]).numpy())).mT
            return found if x.dim() == 2 else found.reshape(*x.shape[:-1], -1)
        bands = [(x[..., first:end].sort(dim=-1).values, count) for first, end, count in self.bands]
        ends = [part for band, count in bands for part in (band[..., -count:], band[..., :count])]
        return torch.stack([part.sqrt().mean(dim=-1) for part in ends], dim=-1)

    def _in_numpy(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same, (frame, frequency) to (2 * band, frame): NumPy sorts ten times as fast as torch on a CPU."""
        x = x.astype(np.float32, copy=False)
        found = np.empty((len(self.bands), 2, len(x)), np.float32)
        for (first, end, count), (high, low) in zip(self.bands, found, strict=True):
            if count == 1:
                flipped = np.ascontiguousarray(x[:, first:end].T)  # so that extremes run over all frames at once
                np.sqrt(np.maximum.reduce(flipped), out=high)
                np.sqrt(np.minimum.reduce(flipped), out=low)
            else:
                for ends, total in zip(_ends(x[:, first:end], count), (low, high), strict=True):
                    np.add.reduce(np.sqrt(ends.T, order="C"), out=total)
        found /= np.array([[[count]] for *_, count in self.bands], np.float32)
        return found.reshape(-1, len(x))


def _ends(x: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The ``count`` smallest and the ``count`` largest of each row of powers."""
    # Numbers from 0 up are in the order of their bits, and integers are sorted in two thirds of the time.
    bits = x.view(np.uint32)
    # NumPy sorts as many values as the next power of two: 300 as slowly as 512, 256 and 44 sooner; of fewer, the calls cost more.
    network = 1 << (bits.shape[1].bit_length() - 1)
    if network >= 256 and 2 * count < bits.shape[1] - network < network // 2:
        parts = [np.sort(part) for part in (bits[:, :network], bits[:, network:])]
        bits = np.concatenate([end for part in parts for end in (part[:, :count], part[:, -count:])], axis=1)
    x = np.sort(bits).view(np.float32)
    return x[:, :count], x[:, -count:]
