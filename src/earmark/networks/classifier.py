"""The whole classifier: front end, backbone, head; and an anomaly detector's front half. Their `forward` is what is exported."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from earmark import networks
from earmark.bundle import BundleSpec
from earmark.errors import SettingsError
from earmark.frontend.front_end import FrontEnd, FrontEndSettings


class Classifier(nn.Module):
    """Waveforms to logits.

    Parameters
    ----------
    spec : BundleSpec
        Labels, network, rate and front-end settings.
    dropout : float
        Share of the embedding dropped in training.

    Shape
    -----
    Input (batch, time), output logits (batch, class) and embeddings (batch, size).
    """

    def __init__(self, spec: BundleSpec, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.task = spec.task
        self.front_end = FrontEnd(spec.sample_rate, FrontEndSettings(**spec.front_end))
        self.backbone = networks.build(
            spec.network["name"],
            channels=self.front_end.channels,
            rows=self.front_end.height,
            width=spec.network["width"],
            members=spec.network.get("members", 1),
        )
        self.members = int(spec.network.get("members", 1))
        self.dropout = nn.Dropout(dropout)
        size = self.backbone.size
        assert isinstance(size, int)
        self.head = nn.Linear(size, len(spec.labels))

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embeddings."""
        return self.classify(self.front_end(waveforms))

    def logits_of_member(self, member: int, features: Tensor) -> Tensor:
        """Logits of one of the networks side by side, shape (batch, class); `classify` gives their mean."""
        embedding = self.dropout(networks.members(self.backbone)[member](features))
        return F.linear(embedding, self.head.weight.chunk(self.members, dim=1)[member], self.head.bias)

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embeddings of standardised features, shape (batch, channels, height, frame)."""
        embedding = self.backbone(features)
        return self.head(self.dropout(embedding) / self.members), embedding


class Embedder(nn.Module):
    """Waveforms to what an anomaly detector measures distances between.

    Parameters
    ----------
    spec : BundleSpec
        Network, rate and front-end settings.

    Shape
    -----
    Input (batch, time), output embeddings (batch, size) and log power in bands (batch, band, frame), in nepers.

    Raises
    ------
    SettingsError
        For features whose rows are not the logarithm of power in bands.
    """

    def __init__(self, spec: BundleSpec) -> None:
        super().__init__()
        settings = FrontEndSettings(**spec.front_end)
        self.front_end = FrontEnd(spec.sample_rate, settings)
        if (
            settings.names not in (("mel",), ("stft",))
            or settings.scale != "log"
            or settings.image_height
            or settings.deltas
            or settings.level_range_db
        ):
            raise SettingsError(
                f"setting features is {settings.features!r} (scale {settings.scale!r}); an anomaly detector takes mel or stft "
                "alone, as log, without levels taken out, deltas or image"
            )
        self.backbone = networks.build(
            spec.network["name"], channels=1, rows=self.front_end.height, width=spec.network["width"]
        )

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings and bands."""
        bands = self.front_end.rows(waveforms).transpose(1, 2)
        return self.backbone(bands.unsqueeze(1)), bands
