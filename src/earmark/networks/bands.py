"""No network at all: the mean of every row, what most of an anomaly detector's knowledge is."""

from __future__ import annotations

from torch import Tensor, nn


class Bands(nn.Module):
    """Mean of each row of each channel over the frames; nothing is learnt.

    Parameters
    ----------
    channels, rows : int
        Of the input.

    Shape
    -----
    Input (batch, channels, rows, frame), output (batch, size) with ``size = channels * rows``.
    """

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__()
        self.size = channels * rows

    def forward(self, x: Tensor) -> Tensor:
        """Spectrograms to their mean spectrum."""
        return x.mean(dim=3).flatten(1)
