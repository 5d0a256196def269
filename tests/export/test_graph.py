from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from earmark.errors import EarmarkError
from earmark.export.graph import OPSET, to_onnx


def both(module: nn.Module, x: Tensor, outputs: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """What torch and ONNX Runtime make of ``x``."""
    shape: tuple[str | int, ...] = ("batch", *x.shape[1:-1], "time")
    proto = to_onnx(module, inputs={"x": shape}, outputs={f"y{i}": ("batch", "size") for i in range(outputs)})
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": x.numpy()})
    with torch.inference_mode():
        expected = module.eval()(x)
    expected = expected if isinstance(expected, tuple) else (expected,)
    return [(np.asarray(a), e.numpy()) for a, e in zip(found, expected, strict=True)]


class Operations(nn.Module):
    """Every translated operation that is no layer and belongs to no front end."""

    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("scale", torch.rand(40, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        level = (x.square().clamp(min=1e-3).log() - self.scale) / self.scale * 2.0
        mixed = torch.matmul((level - level.mean(dim=1, keepdim=True)).transpose(1, 2), self.scale)
        picked = torch.cat([x[..., 3::4], x[:, :, 2:9].neg()], dim=2)
        return mixed.unsqueeze(1).mean(dim=(1, 3)), level.amax(dim=2) + level.sum(dim=-1), picked


class Layers(nn.Module):
    """Every translated layer, with more than its defaults."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = nn.Conv2d(1, 4, (3, 5), stride=(1, 2), padding=(1, 2), bias=True)
        self.normed = nn.Sequential(nn.Conv2d(4, 8, 3, dilation=2, padding=2, groups=2, bias=False), nn.BatchNorm2d(8))
        self.pool = nn.AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)
        self.drop = nn.Dropout(0.5)
        self.rectify = nn.ReLU()
        self.dense = nn.Linear(8 * 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.normed(self.rectify(self.plain(x))))
        x = F.max_pool2d(self.pool(x), 2)
        return self.dense(self.drop(x.mean(dim=3).flatten(1)))


@pytest.mark.parametrize(("batch", "time"), [(1, 20), (5, 100)])
def test_operations(batch: int, time: int) -> None:
    x = torch.randn(batch, 40, time, generator=torch.Generator().manual_seed(0))
    for found, expected in both(Operations(), x, outputs=3):
        assert found == pytest.approx(expected, abs=2e-4, rel=1e-5)


def test_layers_and_folded_normalisation() -> None:
    torch.manual_seed(0)
    module = Layers()
    module.train()(torch.randn(8, 1, 16, 60))  # statistics that are not zero and one
    ((found, expected),) = both(module, torch.randn(3, 1, 16, 60))
    assert found == pytest.approx(expected, abs=1e-5)
    proto = to_onnx(module, inputs={"x": ("batch", 1, 16, "time")}, outputs={"y": ("batch", 3)})
    assert "BatchNormalization" not in {n.op_type for n in proto.graph.node}
    assert proto.opset_import[0].version == OPSET
    assert isinstance(module.normed[1], nn.BatchNorm2d)  # the module itself is left as it was


def test_what_has_no_translation_is_named() -> None:
    class Sine(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sin(x)

    for module, name in ((Sine(), "sin"), (nn.Sequential(nn.GELU()), "GELU")):
        with pytest.raises(EarmarkError, match=f"operation {name} has no translation"):
            to_onnx(module, inputs={"x": ("batch", "time")}, outputs={"y": ("batch", "time")})
