"""Waveform to log-mel spectrogram, as a torch module that is trained with, exported with and predicted with."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import librosa
import torch
from torch import Tensor, nn

from earmark.errors import SettingsError


@dataclass(frozen=True)
class FrontEndSettings:
    """Settings of `LogMel`, in seconds and hertz, so that a model's resolution does not change with the rate."""

    fft_seconds: float
    hop_seconds: float
    n_mels: int
    fmin: float
    fmax: float
    floor: float


class LogMel(nn.Module):
    """Log-mel spectrogram, standardised per band with statistics of the training part.

    The power of a Hann-windowed STFT without centring, through librosa's (Slaney) mel filters, floored, in natural
    logarithm. A clip's frames depend on nothing but their own samples.

    Parameters
    ----------
    sr : int
        Rate of the waveforms in Hz.
    settings : FrontEndSettings

    Shape
    -----
    Input (batch, time), output (batch, 1, n_mels, frame) with ``frame = 1 + (time - n_fft) // hop_length``.

    Raises
    ------
    SettingsError
        For settings that do not fit the rate.
    """

    window: Tensor
    filters: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, sr: int, settings: FrontEndSettings) -> None:
        super().__init__()
        self.settings = settings
        self.sr = sr
        self.win_length = round(settings.fft_seconds * sr)
        self.n_fft = 1 << (self.win_length - 1).bit_length()
        self.hop_length = hop_length(sr, settings.hop_seconds)
        self.floor = settings.floor
        window = torch.zeros(self.n_fft)
        first = (self.n_fft - self.win_length) // 2
        window[first : first + self.win_length] = torch.hann_window(self.win_length)
        self.register_buffer("window", window)
        self.register_buffer("filters", _mel_filters(sr, self.n_fft, settings))
        self.register_buffer("mean", torch.zeros(settings.n_mels, 1))
        self.register_buffer("std", torch.ones(settings.n_mels, 1))

    def forward(self, waveforms: Tensor) -> Tensor:
        """Standardised log-mel spectrogram."""
        return self.standardise(self.log_mel(waveforms))

    def log_mel(self, waveforms: Tensor) -> Tensor:
        """Log-mel spectrogram before standardisation, shape (batch, 1, n_mels, frame)."""
        spectrum = torch.stft(
            waveforms, self.n_fft, self.hop_length, window=self.window, center=False, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return torch.matmul(self.filters, power).clamp(min=self.floor).log().unsqueeze(1)

    def standardise(self, log_mel: Tensor) -> Tensor:
        """Take the training part's mean off each band and divide by its deviation."""
        return (log_mel - self.mean) / self.std

    def set_statistics(self, mean: Tensor, std: Tensor) -> None:
        """Set the statistics of the training part, each of shape (n_mels,)."""
        self.mean.copy_(mean[:, None])
        self.std.copy_(std[:, None].clamp(min=1e-3))

    def frames(self, time: int) -> int:
        """Frames that a waveform of ``time`` samples gives."""
        return 1 + (time - self.n_fft) // self.hop_length


def hop_length(sr: int, hop_seconds: float) -> int:
    """Advance of the analysis frame in samples, at least 1."""
    return max(1, round(hop_seconds * sr))


def _mel_filters(sr: int, n_fft: int, settings: FrontEndSettings) -> Tensor:
    """Shape (n_mels, n_fft // 2 + 1)."""
    if settings.fmax > sr / 2:
        raise SettingsError(f"setting fmax is {settings.fmax:g} Hz; at a rate of {sr} Hz it may be at most {sr // 2}")
    if settings.fmin >= settings.fmax:
        raise SettingsError(f"setting fmin is {settings.fmin:g} Hz; it must lie below fmax, {settings.fmax:g}")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Empty filters", UserWarning)
        filters = librosa.filters.mel(
            sr=sr, n_fft=n_fft, n_mels=settings.n_mels, fmin=settings.fmin, fmax=settings.fmax
        )
    empty = int((filters.max(axis=1) == 0).sum())
    if empty:
        raise SettingsError(
            f"setting n_mels is {settings.n_mels}; {empty} of the bands would be empty at {n_fft // 2 + 1} frequencies: "
            "take fewer, or a longer fft_seconds"
        )
    return torch.from_numpy(filters)
