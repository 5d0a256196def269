"""Frames of a waveform to their power spectrum."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PowerSpectrum(nn.Module):
    """Power of the short-time Fourier transform, frame by frame: ``|rfft(window * frame)| ** 2``.

    Parameters
    ----------
    win_length : int
        Length of the Hann window in samples, in the middle of the frame.
    n_fft : int
        Length of the frame in samples.

    Shape
    -----
    Input (..., frame, n_fft), output (..., frame, n_fft // 2 + 1).
    """

    window: Tensor

    def __init__(self, win_length: int, n_fft: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        first = (n_fft - win_length) // 2
        window = torch.zeros(n_fft)
        window[first : first + win_length] = torch.hann_window(win_length)
        self.register_buffer("window", window)

    def forward(self, frames: Tensor) -> Tensor:
        """Power of each frame at each frequency."""
        parts = torch.view_as_real(torch.fft.rfft(frames * self.window))
        parts = parts.square() if parts.requires_grad else parts.square_()  # fresh memory costs as much as the squares
        return parts[..., 0] + parts[..., 1]


class Blockwise(nn.Module):
    """Cut waveforms into frames and apply a module to some frames at a time, so that all between them stays in the cache.

    Parameters
    ----------
    rows : Module
        Takes (frame, n_fft), gives (frame, row), each frame by itself.
    size : int
        Rows that it gives.
    n_fft, hop_length : int
        Length and advance of the frame in samples.

    Shape
    -----
    Input (batch, time), output (batch, frame, row).
    """

    samples = 2**19
    """Of the frames taken at a time: two megabytes; measured in benchmarks/frontends.py."""

    def __init__(self, rows: nn.Module, size: int, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.rows = rows
        self.size = size
        self.n_fft = n_fft
        self.hop_length = hop_length
        # The C library keeps as much freed memory as the largest piece it was ever given back: without this one, which is never
        # touched, each block's arrays are new pages, and those take longer than the transform.
        torch.empty(2**24, dtype=torch.uint8)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Rows of every frame."""
        frames = waveforms.unfold(-1, self.n_fft, self.hop_length)  # a view
        size = max(1, self.samples // self.n_fft)
        if len(frames) == 1 and frames.shape[1] <= size:
            found: Tensor = self.rows(frames[0])
            return found[None]
        found = waveforms.new_empty(*frames.shape[:2], self.size)
        for clip in range(len(frames)):
            for first in range(0, frames.shape[1], size):
                found[clip, first : first + size] = self.rows(frames[clip, first : first + size])
        return found
