"""The CNN that tutorials draw: convolution, pooling, dense, softmax."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import SettingsError


class Plain(nn.Module):
    """Three times convolution and pooling, then one dense layer; a baseline to compare with.

    Where tutorials flatten time and frequency, this one takes the mean over time first, so that any length of input will do.

    Parameters
    ----------
    channels, rows : int
        Of the input.
    width : float
        Factor on the number of channels.

    Shape
    -----
    Input (batch, channels, rows, frame), output (batch, size).
    """

    least = 8
    """Rows and frames that are left something of after halving them three times."""

    def __init__(self, channels: int, rows: int, width: float = 1.0) -> None:
        super().__init__()
        if rows < self.least:
            raise SettingsError(
                f"setting network is 'plain', which halves the frequency bins three times; it takes {self.least} at least, not "
                f"{rows}"
            )
        a, b, c, self.size = (max(8, round(x * width / 8) * 8) for x in (32, 64, 128, 128))
        self.first = nn.Conv2d(channels, a, 3, padding=1)
        self.second = nn.Conv2d(a, b, 3, padding=1)
        self.third = nn.Conv2d(b, c, 3, padding=1)
        self.dense = nn.Linear(c * (rows // 8), self.size)

    def forward(self, x: Tensor) -> Tensor:
        """Spectrograms to embeddings."""
        for convolution in (self.first, self.second, self.third):
            x = F.max_pool2d(F.relu(convolution(x)), 2)
        x = x.mean(dim=3)  # (batch, channels, rows / 8)
        return F.relu(self.dense(x.flatten(1)))
