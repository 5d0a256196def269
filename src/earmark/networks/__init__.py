"""The backbones. Each maps spectrograms, (batch, 1, n_mels, frame), to embeddings, (batch, ``size``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor, nn

from earmark.errors import SettingsError
from earmark.networks.plain import Plain
from earmark.networks.resnet import ResNet


class Backbone(Protocol):
    """What a network offers."""

    size: int
    """Length of its embeddings."""

    def __call__(self, x: Tensor) -> Tensor:
        """Spectrograms to embeddings."""
        ...


NETWORKS: Mapping[str, Callable[[int, float], nn.Module]] = {
    "resnet": lambda _, width: ResNet(width),  # any number of bands will do
    "plain": Plain,
}
"""Name to a maker that takes the number of mel bands and the width."""


def build(name: str, *, n_mels: int, width: float = 1.0) -> nn.Module:
    """Make a backbone.

    Raises
    ------
    SettingsError
        For an unknown name.
    """
    if name not in NETWORKS:
        raise SettingsError(f"unknown network {name!r}; choose one of {', '.join(NETWORKS)}")
    return NETWORKS[name](n_mels, width)
