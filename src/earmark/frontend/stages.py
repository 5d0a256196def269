"""What follows the features: the window's level taken out, differences over time, the picture that notebooks feed to networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.audio.filters import DECIBELS
from earmark.frontend.settings import DELTA_WIDTH


class Level(nn.Module):
    """Takes each window's level out of its log power, so that a loud and a quiet take of a sound look alike; silence too.

    Parameters
    ----------
    range_db : float
        What lies this far under the mean power of the window's rows and frames is cut off.

    Shape
    -----
    Input, log power, (batch, 1, row, frame), output the same.
    """

    def __init__(self, range_db: float) -> None:
        super().__init__()
        self._floor = -range_db / DECIBELS

    def forward(self, x: Tensor) -> Tensor:
        """Log power over the window's mean power."""
        mean = (
            x.exp().mean(dim=3, keepdim=True).mean(dim=2, keepdim=True)
        )  # one axis at a time is what is translated to ONNX
        return (x - mean.log()).clamp(min=self._floor)


class Deltas(nn.Module):
    """First and second differences over time as further channels: slopes of a polynomial over nine frames, as librosa's delta.

    Parameters
    ----------
    orders : int
        1 or 2.

    Shape
    -----
    Input (batch, 1, row, frame), output (batch, 1 + orders, row, frame), with nine frames at least.
    """

    kernels: Tensor

    def __init__(self, orders: int) -> None:
        super().__init__()
        at = torch.arange(DELTA_WIDTH, dtype=torch.float64) - DELTA_WIDTH // 2
        square = at.square() - at.square().mean()
        kernels = torch.stack([at / at.square().sum(), 2 * square / square.square().sum()])[:orders]
        self.register_buffer("kernels", kernels.float()[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """Append the channels; at the edges the polynomial of the first and the last nine frames goes on."""
        change = F.conv2d(x, self.kernels)
        half = DELTA_WIDTH // 2
        return torch.cat([x, F.pad(change, (half, half, 0, 0), mode="replicate")], dim=1)


class Image(nn.Module):
    """Decibels under the window's own peak as brightness from 0 to 1, resized.

    Parameters
    ----------
    height, width : int
        Pixels.
    range_db : float
        What lies this far under the peak is black.
    decibels : bool
        The input is in decibels, not a natural logarithm.

    Shape
    -----
    Input, log power, (batch, 1, row, frame), output (batch, 1, height, width).
    """

    def __init__(self, height: int, width: int, range_db: float, *, decibels: bool) -> None:
        super().__init__()
        self.height, self.width = height, width
        self.slope = (1.0 if decibels else DECIBELS) / range_db

    def forward(self, x: Tensor) -> Tensor:
        """Brightness."""
        peak = x.amax(dim=-1, keepdim=True).amax(dim=-2, keepdim=True)
        brightness = F.relu((x - peak) * self.slope + 1.0)
        return F.interpolate(brightness, size=(self.height, self.width), mode="bilinear", align_corners=False)
