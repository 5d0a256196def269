"""A torch module as an ONNX graph, operation by operation: what the classifier's front end and networks are made of.

Written out here because torch's own exporter takes some ten seconds for a graph of fifty nodes. Another operation in a network or
front end needs a line in `_OPERATIONS` or `_MODULES`; the export says which.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from earmark.errors import EarmarkError
from earmark.frontend.mel import Banded
from earmark.frontend.pcen import Smoother
from earmark.frontend.stft import Blockwise, PowerSpectrum

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
    graph = _Graph()
    with torch.no_grad():
        results = graph.inline(_folded(copy.deepcopy(module).eval()), *inputs)
    for name, value in zip(outputs, results if isinstance(results, tuple) else (results,), strict=True):
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

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def inline(self, module: nn.Module, *inputs: Any) -> Any:
        """Translate a module for these inputs; the names of its results."""
        tracer = _Tracer()
        traced = torch.fx.GraphModule(module, tracer.trace(module))
        waiting = list(inputs)
        values: dict[str, Any] = {}  # torch.fx's names to ours

        def ours(argument: Any) -> Any:
            mapped: Any = torch.fx.node.map_arg(argument, lambda node: values[node.name])
            return mapped

        for node in traced.graph.nodes:
            if node.op == "placeholder":
                values[node.name] = waiting.pop(0)
            elif node.op == "get_attr":
                values[node.name] = self.constant(operator.attrgetter(str(node.target))(traced))
            elif node.op == "output":
                return ours(node.args[0])
            else:
                target: Any = node.target
                part = traced.get_submodule(target) if node.op == "call_module" else None
                known = _OPERATIONS.get(target) if part is None else _MODULES.get(type(part))
                if known is None:
                    what = type(part).__name__ if part is not None else getattr(target, "__name__", target)
                    raise EarmarkError(f"ONNX export: operation {what} has no translation; add one to earmark/graph.py")
                own = {"module": part} if part is not None else {}
                values[node.name] = known(self, *ours(node.args), **own, **ours(node.kwargs))
        return None

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


class _Tracer(torch.fx.Tracer):
    """Stops at the modules that have a translation of their own."""

    proxy_buffer_attributes = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the module is translated as a whole."""
        return type(m) in _MODULES or super().is_leaf_module(m, module_qualified_name)


@dataclass(frozen=True)
class _Frames:
    """A waveform that is to be cut into frames."""

    waveform: str
    hop_length: int


def _blockwise(g: _Graph, x: str, *, module: Blockwise) -> str:
    """In the graph all frames go at once."""
    rows: str = g.inline(module.rows, _Frames(x, module.hop_length))
    return rows


def _power_spectrum(g: _Graph, frames: _Frames, *, module: PowerSpectrum) -> str:
    """Shape (batch, frame, frequency)."""
    n_fft, bins = module.n_fft, module.n_fft // 2 + 1
    window = module.window.numpy()
    if n_fft <= _SHORT_FFT:
        angle = 2 * np.pi / n_fft * np.outer(np.arange(bins), np.arange(n_fft))
        waves = np.concatenate([np.cos(angle), -np.sin(angle)]) * window
        signal = g.node("Unsqueeze", frames.waveform, g.constant([1]))
        both = g.node("Conv", signal, g.constant(waves[:, None]), strides=[frames.hop_length])
        squares = g.node("Mul", both, both)
        real, imaginary = (
            g.node("Slice", squares, *(g.constant([n]) for n in (first, first + bins, 1))) for first in (0, bins)
        )
        return g.node("Transpose", g.node("Add", real, imaginary), perm=[0, 2, 1])
    signal = g.node("Unsqueeze", frames.waveform, g.constant([2]))
    hop, length = (g.constant(np.int64(n)) for n in (frames.hop_length, n_fft))
    spectrum = g.node("STFT", signal, hop, g.constant(window), length, onesided=1)
    return g.node("ReduceSumSquare", spectrum, g.constant([3]), keepdims=0)


def _smoother(g: _Graph, x: str, *, module: Smoother) -> str:
    """The triangular matrix, for any number of frames."""
    keep = 1 - module.coefficient
    count = g.node("Squeeze", g.node("Shape", x, start=-1), g.constant([0]))
    steps = g.node("Range", g.constant(np.int64(0)), count, g.constant(np.int64(1)))
    steps = g.node("Cast", steps, to=onnx.TensorProto.FLOAT)
    age = g.node("Sub", g.node("Unsqueeze", steps, g.constant([0])), g.node("Unsqueeze", steps, g.constant([1])))
    zero = g.constant(np.float32(0))
    faded = g.node("Pow", g.constant(np.float32(keep)), g.node("Max", age, zero))
    past = g.node("Mul", faded, g.constant(np.float32(module.coefficient)))
    weights = g.node("Where", g.node("Less", age, zero), zero, past)
    smooth = g.node("MatMul", x, weights)
    first = g.node("Slice", x, *(g.constant([n]) for n in (0, 1, -1)))
    started = g.node("Pow", g.constant(np.float32(keep)), g.node("Add", steps, g.constant(np.float32(1))))
    return g.node("Add", smooth, g.node("Mul", first, started))


def _two(kind: str) -> Callable[..., str]:
    """An operation on two values, either of which may be a number."""
    return lambda g, a, b: g.node(kind, *(v if isinstance(v, str) else g.constant(np.float32(v)) for v in (a, b)))


def _clamp(g: _Graph, x: str, *, min: float) -> str:  # torch's word for it
    return g.node("Max", x, g.constant(np.float32(min)))


def _join(kind: str) -> Callable[..., str]:
    """Concatenation, or the same along a new axis."""

    def joined(g: _Graph, parts: Sequence[str], dim: int = 0) -> str:
        if kind == "stack":
            parts = [g.node("Unsqueeze", part, g.constant([dim])) for part in parts]
        return g.node("Concat", *parts, axis=dim)

    return joined


def _item(g: _Graph, x: Any, which: Any) -> Any:
    """An element of a tuple, or the slices of a tensor."""
    if isinstance(x, tuple):
        return x[which]
    which = which if isinstance(which, tuple) else (which,)
    axes = range(len(which)) if Ellipsis not in which else range(-len(which), 0)
    cuts = [(axis, c) for axis, c in zip(axes, which, strict=True) if isinstance(c, slice) and c != slice(None)]
    far = np.iinfo(np.int64).max
    ends = [[c.start or 0 for _, c in cuts], [far if c.stop is None else c.stop for _, c in cuts]]
    steps = [c.step or 1 for _, c in cuts]
    return g.node("Slice", x, *(g.constant(v) for v in (*ends, [axis for axis, _ in cuts], steps)))


def _topk(
    g: _Graph, x: str, k: int, dim: int, *, largest: bool, sorted: bool
) -> tuple[str, ...]:  # torch's word for it
    values = g.node("TopK", x, g.constant([k]), axis=dim, largest=int(largest), sorted=int(sorted), results=2)
    return values, f"{values}_1"


def _permutation(g: _Graph, x: str, a: int, b: int) -> str:
    axes = list(range(max(a, b) + 1))
    axes[a], axes[b] = axes[b], axes[a]
    return g.node("Transpose", x, perm=axes)


def _filter(g: _Graph, x: str, weight: str) -> str:
    return g.node("Conv", x, weight)


def _pad(g: _Graph, x: str, pad: Sequence[int], mode: str, **_: Any) -> str:
    left, right, top, bottom = pad
    return g.node("Pad", x, g.constant([0, 0, top, left, 0, 0, bottom, right]), mode={"replicate": "edge"}[mode])


def _resize(g: _Graph, x: str, *, size: Sequence[int], mode: str, align_corners: bool, **_: Any) -> str:
    if mode != "bilinear" or align_corners:
        raise EarmarkError("ONNX export: interpolate is translated for the mode bilinear without aligned corners alone")
    leading = g.node("Shape", x, end=2)
    sizes = g.node("Concat", leading, g.constant(list(size)), axis=0)
    return g.node("Resize", x, "", "", sizes, mode="linear", coordinate_transformation_mode="half_pixel")


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
    operator.getitem: _item,
    "square": lambda g, x: g.node("Mul", x, x),
    operator.add: _two("Add"),
    operator.sub: _two("Sub"),
    operator.mul: _two("Mul"),
    operator.truediv: _two("Div"),
    torch.matmul: _two("MatMul"),
    "clamp": _clamp,
    "log": lambda g, x: g.node("Log", x),
    "exp": lambda g, x: g.node("Exp", x),
    "neg": lambda g, x: g.node("Neg", x),
    "sqrt": lambda g, x: g.node("Sqrt", x),
    "transpose": _permutation,
    torch.cat: _join("cat"),
    torch.stack: _join("stack"),
    torch.topk: _topk,
    "unsqueeze": lambda g, x, dim: g.node("Unsqueeze", x, g.constant([dim])),
    "mean": _reduce("ReduceMean"),
    "amax": _reduce("ReduceMax"),
    "amin": _reduce("ReduceMin"),
    "flatten": lambda g, x, start: g.node("Flatten", x, axis=start),
    F.relu: lambda g, x, **_: g.node("Relu", x),
    F.max_pool2d: _max_pool,
    F.conv2d: _filter,
    torch.conv2d: _filter,
    F.pad: _pad,
    F.interpolate: _resize,
}
_MODULES: dict[type[nn.Module], Callable[..., str]] = {
    nn.Conv2d: _convolution,
    nn.AvgPool2d: _average_pool,
    nn.Linear: _linear,
    nn.Dropout: lambda _, x, **__: x,
    nn.Identity: lambda _, x, **__: x,
    Blockwise: _blockwise,
    PowerSpectrum: _power_spectrum,
    Smoother: _smoother,
    Banded: lambda g, x, *, module: g.node("MatMul", x, g.constant(module.filters)),
}
