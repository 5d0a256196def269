"""A torch module as an ONNX graph, operation by operation: what the classifier's front end and networks are made of.

Written out here because torch's own exporter takes some ten seconds for a graph of fifty nodes. Another operation in a network or
front end needs a line in `_OPERATIONS` or `_MODULES`; the export says which.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from earmark.errors import EarmarkError

OPSET = 18
_SHORT_FFT = 512  # samples, up to which a product with all waves is several times as fast as ONNX Runtime's STFT
_IR = 10  # of opset 18's time: what older runtimes read


def to_onnx(
    module: nn.Module, *, inputs: dict[str, Sequence[str | int]], outputs: dict[str, Sequence[str | int]]
) -> onnx.ModelProto:
    """Trace a module in evaluation mode into a checked ONNX model.

    Parameters
    ----------
    module : Module
        Without control flow that depends on its input.
    inputs, outputs : dict
        Names and shapes; a word stands for any length.

    Raises
    ------
    EarmarkError
        For an operation that has no translation.
    """
    traced = torch.fx.symbolic_trace(_folded(copy.deepcopy(module).eval()))
    graph = _Graph(list(inputs))
    with torch.no_grad():
        for node in traced.graph.nodes:
            graph.add(node, traced)
    for name, value in zip(outputs, graph.results, strict=True):
        graph.nodes.append(helper.make_node("Identity", [value], [name]))
    used = {name for node in graph.nodes for name in node.input}
    constants = [i for i in graph.initializers if i.name in used]
    ins, outs = (
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape)) for name, shape in ends.items()]
        for ends in (inputs, outputs)
    )
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "earmark", ins, outs, initializer=constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR,
        producer_name="earmark",
    )
    onnx.checker.check_model(proto)
    return proto


def _folded(module: nn.Module) -> nn.Module:
    """Put each batch normalisation into the convolution before it."""
    for name, child in module.named_children():
        parts = list(child.children())
        if isinstance(child, nn.Sequential) and len(parts) == 2:
            first, second = parts
            if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(first, second))
                continue
        _folded(child)
    return module


class _Graph:
    """The ONNX graph while it grows."""

    def __init__(self, inputs: list[str]) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []
        self.results: list[str] = []
        self._inputs = list(inputs)
        self._values: dict[str, Any] = {}  # torch.fx's names to ours; of a spectrum, those of its two parts

    def add(self, node: torch.fx.Node, traced: torch.fx.GraphModule) -> None:
        """Translate a node."""
        if node.op == "placeholder":
            self._values[node.name] = self._inputs.pop(0)
        elif node.op == "get_attr":
            self._values[node.name] = self.constant(operator.attrgetter(str(node.target))(traced))
        elif node.op == "output":
            self.results = [self._value(result) for result in node.all_input_nodes]
        else:
            target: Any = node.target
            module = traced.get_submodule(target) if node.op == "call_module" else None
            known = _OPERATIONS.get(target) if module is None else _MODULES.get(type(module))
            if known is None:
                what = type(module).__name__ if module is not None else getattr(target, "__name__", target)
                raise EarmarkError(f"ONNX export: operation {what} has no translation; add one to earmark/graph.py")
            values = [self._value(a) for a in node.args]
            own = {"module": module} if module is not None else {}
            self._values[node.name] = known(self, *values, **own, **{k: self._value(v) for k, v in node.kwargs.items()})

    def node(self, kind: str, *values: str, **attributes: Any) -> str:
        """Add an operation; the name of its result."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(values), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        """Add a tensor, float32 or, of whole numbers, int64; its name."""
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
        array = np.asarray(array, np.int64 if array.dtype.kind == "i" else np.float32, order="C")
        name = f"constant_{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(array, name))
        return name

    def value(self, constant: str) -> NDArray[Any]:
        """A constant by its name."""
        return numpy_helper.to_array(next(i for i in self.initializers if i.name == constant))

    def _value(self, argument: Any) -> Any:
        return self._values[argument.name] if isinstance(argument, torch.fx.Node) else argument


def _stft(
    g: _Graph, x: str, n_fft: int, *, hop_length: int, window: str, center: bool, **others: Any
) -> tuple[str, str]:
    """Real and imaginary part, each (batch, frequency, frame)."""
    plain = {"win_length": None, "normalized": False, "onesided": None, "return_complex": True, "align_to_window": None}
    if center or any(others.get(name, value) != value for name, value in plain.items()):
        raise EarmarkError("ONNX export: stft is translated without centring, padding or normalisation alone")
    bins = n_fft // 2 + 1
    if n_fft <= _SHORT_FFT:
        angle = 2 * np.pi / n_fft * np.outer(np.arange(bins), np.arange(n_fft))
        waves = np.concatenate([np.cos(angle), -np.sin(angle)]) * g.value(window)
        signal = g.node("Unsqueeze", x, g.constant([1]))
        both = g.node("Conv", signal, g.constant(waves[:, None]), strides=[hop_length])
        real, imaginary = (
            g.node("Slice", both, *(g.constant([n]) for n in (first, first + bins, 1))) for first in (0, bins)
        )
        return real, imaginary
    signal = g.node("Unsqueeze", x, g.constant([2]))
    spectrum = g.node("STFT", signal, g.constant(np.int64(hop_length)), window, g.constant(np.int64(n_fft)), onesided=1)
    turned = g.node("Transpose", spectrum, perm=[0, 2, 1, 3])
    real, imaginary = (g.node("Gather", turned, g.constant(np.int64(n)), axis=3) for n in (0, 1))
    return real, imaginary


def _part(_: _Graph, spectrum: tuple[str, str], name: str) -> str:
    return spectrum[("real", "imag").index(name)]


def _two(kind: str) -> Callable[..., str]:
    """An operation on two values, either of which may be a number."""
    return lambda g, a, b: g.node(kind, *(v if isinstance(v, str) else g.constant(np.float32(v)) for v in (a, b)))


def _clamp(g: _Graph, x: str, *, min: float) -> str:  # torch's word for it
    return g.node("Max", x, g.constant(np.float32(min)))


def _reduce(kind: str) -> Callable[..., str]:
    return lambda g, x, dim, keepdim=False: g.node(kind, x, g.constant([dim]), keepdims=int(keepdim))


def _max_pool(g: _Graph, x: str, kernel_size: int, **_: Any) -> str:
    return g.node("MaxPool", x, kernel_shape=[kernel_size] * 2, strides=[kernel_size] * 2)


def _convolution(g: _Graph, x: str, *, module: nn.Conv2d) -> str:
    weights = [g.constant(module.weight)] + ([] if module.bias is None else [g.constant(module.bias)])
    return g.node(
        "Conv", x, *weights, strides=list(module.stride), pads=[int(p) for p in module.padding] * 2,
        dilations=list(module.dilation), group=module.groups,
    )  # fmt: skip


def _average_pool(g: _Graph, x: str, *, module: nn.AvgPool2d) -> str:
    kernel, stride, padding = (
        [v] * 2 if isinstance(v, int) else list(v) for v in (module.kernel_size, module.stride, module.padding)
    )
    return g.node(
        "AveragePool",
        x,
        kernel_shape=kernel,
        strides=stride,
        pads=padding * 2,
        count_include_pad=int(module.count_include_pad),
    )


def _linear(g: _Graph, x: str, *, module: nn.Linear) -> str:
    return g.node("Gemm", x, g.constant(module.weight), g.constant(module.bias), transB=1)


_OPERATIONS: dict[Any, Callable[..., Any]] = {
    torch.stft: _stft,
    torch.functional.stft: _stft,
    getattr: _part,
    "square": lambda g, x: g.node("Mul", x, x),
    operator.add: _two("Add"),
    operator.sub: _two("Sub"),
    operator.mul: _two("Mul"),
    operator.truediv: _two("Div"),
    torch.matmul: _two("MatMul"),
    "clamp": _clamp,
    "log": lambda g, x: g.node("Log", x),
    "unsqueeze": lambda g, x, dim: g.node("Unsqueeze", x, g.constant([dim])),
    "mean": _reduce("ReduceMean"),
    "amax": _reduce("ReduceMax"),
    "flatten": lambda g, x, start: g.node("Flatten", x, axis=start),
    F.relu: lambda g, x, **_: g.node("Relu", x),
    F.max_pool2d: _max_pool,
}
_MODULES: dict[type[nn.Module], Callable[..., str]] = {
    nn.Conv2d: _convolution,
    nn.AvgPool2d: _average_pool,
    nn.Linear: _linear,
    nn.Dropout: lambda _, x, **__: x,
}
