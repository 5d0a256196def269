"""A compact residual CNN that is fast on a CPU: early downsampling, channels in multiples of 16."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ResNet(nn.Module):
    """Residual network (He et al. 2016, arXiv 1512.03385) for spectrograms, 1.2 M parameters at width 1.

    A 5 x 5 convolution of stride 2, then four stages that halve both axes, then the mean over frequency, and over time the
    sum of mean and maximum, so that a short sound in a long window is heard (Kong et al. 2020, arXiv 1912.10211).

    Parameters
    ----------
    channels : int
        Of the input.
    width : float
        Factor on the number of channels inside.

    Shape
    -----
    Input (batch, channels, rows, frame), output (batch, size).
    """

    def __init__(self, channels: int = 1, width: float = 1.0) -> None:
        super().__init__()
        stem, *stages = (max(16, round(c * width / 16) * 16) for c in (16, 32, 64, 128, 256))
        self.stem = ConvNorm(channels, stem, kernel=5, stride=2)
        self.stages = nn.Sequential()
        previous = stem
        for wider in stages:
            self.stages.append(Block(previous, wider))
            previous = wider
        self.size = previous

    def forward(self, x: Tensor) -> Tensor:
        """Spectrograms to embeddings."""
        x = F.relu(self.stem(x))  # (batch, 16, rows / 2, frame / 2)
        x = self.stages(x)  # (batch, 256, rows / 32, frame / 32)
        x = x.mean(dim=2)
        return x.mean(dim=2) + x.amax(dim=2)


class Block(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut that averages before it projects (He et al. 2019, arXiv 1812.01187)."""

    def __init__(self, channels_in: int, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels_in, channels, kernel=3, stride=2)
        self.second = ConvNorm(channels, channels, kernel=3)
        # Pairs, not overlapping threes: as accurate, and a CPU takes far less time for its gradient.
        pool = nn.AvgPool2d(2, stride=2, ceil_mode=True, count_include_pad=False)
        self.shortcut = nn.Sequential(pool, ConvNorm(channels_in, channels, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (batch, channels_in, a, b) to (batch, channels, a / 2, b / 2)."""
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class ConvNorm(nn.Sequential):
    """Convolution without bias, then batch normalisation."""

    def __init__(self, channels_in: int, channels: int, *, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels, kernel, stride, padding=kernel // 2, bias=False), nn.BatchNorm2d(channels)
        )
