"""The backbones and the classifier, and the table of backbones by name.

In: features, shape (batch, channel, bin, frame). Out: embeddings, shape (batch, size); of a `Classifier` logits too.
Imports: rooms up to `frontend`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from earmark.errors import SettingsError
from earmark.networks.bands import Bands
from earmark.networks.plain import Plain
from earmark.networks.resnet import ResNet


class Backbone(Protocol):
    """What a network offers."""

    size: int
    """Length of its embeddings."""

    def __call__(self, x: Tensor) -> Tensor:
        """Spectrograms to embeddings."""
        ...


NETWORKS: Mapping[str, Callable[[int, int, float], nn.Module]] = {
    "resnet": lambda channels, _, width: ResNet(channels, width),  # any number of rows will do
    "plain": Plain,
    "bands": lambda channels, rows, _: Bands(channels, rows),  # which has no width
}
"""Name to a maker that takes the number of channels, that of rows, and the width."""


class Members(nn.Module):
    """Networks side by side, whose embeddings are joined: each is trained by a loss of its own, and they are heard together.

    Shape
    -----
    Input (batch, channels, rows, frame), output (batch, members * size).
    """

    def __init__(self, members: list[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        size = members[0].size  # they are alike
        assert isinstance(size, int)
        self.size = len(members) * size

    def forward(self, x: Tensor) -> Tensor:
        """Spectrograms to the embeddings of all members."""
        return torch.cat([member(x) for member in self.members], dim=1)


def build(name: str, *, channels: int, rows: int, width: float = 1.0, members: int = 1) -> nn.Module:
    """Make a backbone, or several side by side.

    Raises
    ------
    SettingsError
        For an unknown name.
    """
    if name not in NETWORKS:
        raise SettingsError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    made = [NETWORKS[name](channels, rows, width) for _ in range(members)]
    return made[0] if members == 1 else Members(made)


def members(backbone: nn.Module) -> list[nn.Module]:
    """The networks that a backbone consists of."""
    return list(backbone.members) if isinstance(backbone, Members) else [backbone]
