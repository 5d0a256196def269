"""Nodes and constants of an ONNX graph while it grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper


class Nodes:
    """Operations in order, each known by the name of its result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, kind: str, *values: str, results: int = 1, **attributes: Any) -> str:
        """Add an operation; the name of its first result, the others have ``_1``, ``_2`` behind it."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        names = [name, *(f"{name}_{k}" for k in range(1, results))]
        self.nodes.append(helper.make_node(kind, list(values), names, **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a tensor, float32 or, of whole numbers, int64; its name."""
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        array = np.asarray(array, np.int64 if array.dtype.kind == "i" else np.float32, order="C")
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name
