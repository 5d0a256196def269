"""The backbones. Each maps features, (batch, channels, rows, frame), to embeddings, (batch, ``size``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

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


def build(name: str, *, channels: int, rows: int, width: float = 1.0) -> nn.Module:
    """Make a backbone.

    Raises
    ------
    SettingsError
        For an unknown name.
    """
    if name not in NETWORKS:
        raise SettingsError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    return NETWORKS[name](channels, rows, width)
