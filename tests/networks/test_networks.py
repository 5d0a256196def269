from __future__ import annotations

import pytest
import torch

from earmark import networks
from earmark.errors import SettingsError


@pytest.mark.parametrize("name", networks.NETWORKS)
@pytest.mark.parametrize(("n_mels", "frames"), [(64, 96), (40, 33), (128, 11)])
def test_any_size_gives_an_embedding(name: str, n_mels: int, frames: int) -> None:
    network = networks.build(name, channels=1, rows=n_mels, width=0.5).eval()
    assert network(torch.zeros(2, 1, n_mels, frames)).shape == (2, network.size)


def test_parameters_and_width() -> None:
    def count(width: float) -> int:
        return sum(p.numel() for p in networks.build("resnet", channels=1, rows=64, width=width).parameters())

    assert count(1.0) == pytest.approx(1.2e6, rel=0.05)
    assert count(2.0) == pytest.approx(4 * count(1.0), rel=0.1)
    assert count(0.5) == pytest.approx(count(1.0) / 4, rel=0.1)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(SettingsError, match="unknown network 'vgg'; choose one of resnet, plain"):
        networks.build("vgg", channels=1, rows=64)


def test_plain_needs_eight_rows() -> None:
    with pytest.raises(SettingsError, match="takes 8 at least, not 7"):
        networks.build("plain", channels=1, rows=7)


def test_members_are_networks_of_their_own_whose_embeddings_are_joined() -> None:
    three = networks.build("resnet", channels=1, rows=32, width=0.25, members=3).eval()
    x = torch.rand(2, 1, 32, 40)
    parts = three(x).chunk(3, dim=1)
    assert three.size == 3 * parts[0].shape[1]
    assert all(torch.equal(part, member(x)) for part, member in zip(parts, three.members, strict=True))
    assert not torch.allclose(parts[0], parts[1])
