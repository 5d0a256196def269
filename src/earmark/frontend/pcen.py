"""Per-channel energy normalisation, fixed or trained."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Smoother(nn.Module):
    """First-order low-pass over frames, ``m[t] = (1 - s) m[t - 1] + s x[t]``, that starts at the first frame's value.

    Parameters
    ----------
    coefficient : float
        ``s``.

    Shape
    -----
    Input and output (..., frame).
    """

    block = 128

    def __init__(self, coefficient: float) -> None:
        super().__init__()
        self.coefficient = coefficient

    def forward(self, x: Tensor) -> Tensor:
        """Smoothed, as products with a triangular matrix: four times as fast as a loop over frames."""
        state = x[..., :1]
        found = []
        for part in torch.split(x, self.block, dim=-1):
            steps = torch.arange(part.shape[-1], device=x.device, dtype=x.dtype)
            age = steps[None, :] - steps[:, None]  # of the input in row i at the output in column j
            weights = self.coefficient * (1 - self.coefficient) ** age.clamp(min=0) * (age >= 0)
            smooth = torch.matmul(part, weights) + state * (1 - self.coefficient) ** (steps + 1)
            state = smooth[..., -1:]
            found.append(smooth)
        return torch.cat(found, dim=-1)


class Pcen(nn.Module):
    """Per-channel energy normalisation (Wang et al. 2017, arXiv 1607.05666), which levels each band by its own past.

    ``(x / (eps + m) ** gain + bias) ** power - bias ** power``, with ``m`` the smoothed ``x``. Trained, every band has its own
    gain, bias and power, learnt with the network. The defaults are librosa's; the smoother starts at the first frame.

    Parameters
    ----------
    rows : int
        Bands.
    frame_rate : float
        Frames a second.
    trained : bool

    Shape
    -----
    Input, power at full scale 1.0, and output (batch, 1, row, frame).
    """

    gain: Tensor
    bias: Tensor
    power: Tensor
    eps = 1e-6
    time_constant = 0.4  # seconds
    full_scale = 2.0**31  # the defaults of bias and eps are meant for samples in whole numbers of 32 bits

    def __init__(self, rows: int, frame_rate: float, *, trained: bool) -> None:
        super().__init__()
        frames = self.time_constant * frame_rate
        self.smoother = Smoother((math.sqrt(1 + 4 * frames**2) - 1) / (2 * frames**2))
        for name, value in (("gain", 0.98), ("bias", 2.0), ("power", 0.5)):
            logarithm = torch.full((rows, 1), math.log(value))  # stays above zero while it is trained
            if trained:
                self.register_parameter(name, nn.Parameter(logarithm))
            else:
                self.register_buffer(name, logarithm)

    def forward(self, x: Tensor) -> Tensor:
        """Power to normalised energy."""
        x = x * self.full_scale
        bias, power = self.bias.exp(), self.power.exp()
        level = (self.gain.exp() * (self.smoother(x) + self.eps).log()).neg().exp()
        energy: Tensor = (power * (x * level + bias).log()).exp() - (power * self.bias).exp()
        return energy
