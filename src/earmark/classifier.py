"""The whole classifier: front end, backbone, head. What is exported is its `forward`."""

from __future__ import annotations

from torch import Tensor, nn

from earmark import networks
from earmark.bundle import BundleSpec
from earmark.frontend import FrontEnd, FrontEndSettings


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
        self.front_end = FrontEnd(spec.sample_rate, FrontEndSettings(**spec.front_end))
        self.backbone = networks.build(
            spec.network["name"],
            channels=self.front_end.channels,
            rows=self.front_end.height,
            width=spec.network["width"],
        )
        self.dropout = nn.Dropout(dropout)
        size = self.backbone.size
        assert isinstance(size, int)
        self.head = nn.Linear(size, len(spec.labels))

    def forward(self, waveforms: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embeddings."""
        return self.classify(self.front_end(waveforms))

    def classify(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and embeddings of standardised features, shape (batch, channels, height, frame)."""
        embedding = self.backbone(features)
        return self.head(self.dropout(embedding)), embedding
