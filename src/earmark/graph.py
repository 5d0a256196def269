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
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from earmark.errors import EarmarkError
from earmark.frontend.mel import Banded
from earmark.frontend.pcen import Smoother
from earmark.frontend.stft import Blockwise, PowerSpectrum
from earmark.frontend.tonal import Extremes

OPSET = 18
_SHARED = 4  # samples that frames and hop must have in common for blocks to pay
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

        def ours(argument: Any, known: Callable[..., Any] | None = None) -> Any:
            def value(node: torch.fx.Node) -> Any:
                found = values[node.name]
                return found.ordered(self) if isinstance(found, _Power) and known is not _banded else found

            mapped: Any = torch.fx.node.map_arg(argument, value)
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
                values[node.name] = known(self, *ours(node.args, known), **own, **ours(node.kwargs))
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


@dataclass(frozen=True)
class _Power:
    """A power spectrum, (batch, row, frame), whose rows are the frequencies in another order, some of them twice."""

    name: str
    frequencies: NDArray[np.int64]

    def ordered(self, g: _Graph) -> str:
        """As the module gives it: (batch, frame, frequency)."""
        first = np.unique(self.frequencies, return_index=True)[1]
        return g.node("Transpose", g.node("Gather", self.name, g.constant(first), axis=1), perm=[0, 2, 1])


def _power_spectrum(g: _Graph, frames: _Frames, *, module: PowerSpectrum) -> _Power:
    """The discrete Fourier transform in two steps (Cooley and Tukey 1965), each of them one large product of matrices.

    Sample ``n = N a + b`` of the frame and frequency ``k = k1 + M k2``, with ``M N = n_fft`` and N a divisor of the hop: the first
    step, a grouped convolution with one group for each b, cuts the frames, weights them and sums over a, for k1 up to M / 2; the
    second sums over b. What k1 above M / 2 would give are mirror images of those.
    """
    n_fft = module.n_fft
    balanced = 1 << (n_fft.bit_length() // 2)
    shared = min(balanced, int(np.gcd(frames.hop_length, n_fft)))  # a power of two
    inner = shared if shared >= _SHARED else balanced  # N
    outer = n_fft // inner  # M
    a, b, k1 = np.arange(outer), np.arange(inner), np.arange(outer // 2 + 1)
    angle = 2 * np.pi * (a[:, None, None] * k1 / outer + b[:, None] * k1 / n_fft)  # (a, b, k1)
    window = module.window.numpy().astype(np.float64).reshape(outer, inner)
    waves = np.stack([np.cos(angle), -np.sin(angle)]) * window[None, :, :, None]
    kernel = waves.transpose(2, 0, 3, 1).reshape(-1, 1, outer)  # (b part k1, 1, a)
    # Rows of the second step in the order of their frequencies: k2 and its mirror image side by side.
    k2 = np.array([k for pair in zip(b, b[::-1], strict=True) for k in pair][:inner])
    turned = 2 * np.pi * k2[:, None] * b / inner
    real, imaginary = np.cos(turned), -np.sin(turned)
    turn = np.block([[real, -imaginary], [imaginary, real]])  # (part k2, part b)
    turn = turn.reshape(-1, 2, inner).transpose(0, 2, 1).reshape(2 * inner, -1)  # (part k2, b part)

    first = (_strided if inner == shared else _gathered)(g, frames, kernel, inner)
    second = g.node("MatMul", g.constant(turn), g.node("Reshape", first, g.constant([0, 2 * inner, -1])))
    squares = g.node("Mul", second, second)
    parts = (g.node("Slice", squares, *(g.constant([n]) for n in (k, k + inner, 1))) for k in (0, inner))
    power = g.node("Reshape", g.node("Add", *parts), _frames_last(g, first, inner * len(k1)))
    frequencies = (k1[None, :] + outer * k2[:, None]).reshape(-1)
    return _Power(power, np.minimum(frequencies, n_fft - frequencies))


def _strided(g: _Graph, frames: _Frames, kernel: NDArray[np.float64], inner: int) -> str:
    """The first step where the hop is a whole number of blocks: (batch, rows, frame)."""
    samples = g.node("Shape", frames.waveform, start=1)
    end = g.node("Mul", g.node("Div", samples, g.constant([inner])), g.constant([inner]))
    whole = g.node("Slice", frames.waveform, g.constant([0]), end, g.constant([1]))
    blocks = g.node("Transpose", g.node("Reshape", whole, g.constant([0, -1, inner])), perm=[0, 2, 1])
    return g.node("Conv", blocks, g.constant(kernel), strides=[frames.hop_length // inner], group=inner)


def _gathered(g: _Graph, frames: _Frames, kernel: NDArray[np.float64], inner: int) -> str:
    """The first step for any hop: the samples of all frames are copied, which takes half of the time."""
    outer = kernel.shape[-1]
    zero, one = g.constant(np.int64(0)), g.constant(np.int64(1))
    room = g.node("Sub", g.node("Shape", frames.waveform, start=1), g.constant([inner * outer]))
    last = g.node("Squeeze", g.node("Div", room, g.constant([frames.hop_length])), g.constant([0]))
    starts = g.node(
        "Mul", g.node("Range", zero, g.node("Add", last, one), one), g.constant(np.int64(frames.hop_length))
    )
    within = np.arange(inner)[:, None, None] + inner * np.arange(outer)[None, :, None]
    samples = g.node(
        "Gather", frames.waveform, g.node("Add", g.constant(within), starts), axis=1
    )  # (batch, b, a, frame)
    rows = g.node("MatMul", g.constant(kernel.reshape(inner, -1, outer)), samples)
    return g.node("Reshape", rows, _frames_last(g, rows, len(kernel)))


def _frames_last(g: _Graph, like: str, rows: int) -> str:
    """The shape (batch, rows, frame), with batch and frame those of ``like``."""
    return g.node("Concat", g.node("Shape", like, end=1), g.constant([rows]), g.node("Shape", like, start=-1), axis=0)


def _banded(g: _Graph, power: _Power, *, module: Banded) -> str:
    """Shape (batch, frame, filter)."""
    filters = module.filters.numpy().T[:, power.frequencies].copy()
    again = np.ones(len(power.frequencies), bool)
    again[np.unique(power.frequencies, return_index=True)[1]] = False
    filters[:, again] = 0.0
    found = []
    for _, some in module.runs:
        taken = np.flatnonzero(filters[some].any(axis=0))
        ends = (int(taken[0]), int(taken[-1]) + 1)
        rows = g.node("Slice", power.name, *(g.constant([n]) for n in (*ends, 1)))
        found.append(g.node("MatMul", g.constant(filters[some, slice(*ends)]), rows))
    return g.node("Transpose", g.node("Concat", *found, axis=1), perm=[0, 2, 1])


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


def _item(g: _Graph, x: str, which: Any) -> str:
    """Slices of a tensor."""
    which = which if isinstance(which, tuple) else (which,)
    axes = range(len(which)) if Ellipsis not in which else range(-len(which), 0)
    cuts = [(axis, c) for axis, c in zip(axes, which, strict=True) if isinstance(c, slice) and c != slice(None)]
    far = np.iinfo(np.int64).max
    ends = [[c.start or 0 for _, c in cuts], [far if c.stop is None else c.stop for _, c in cuts]]
    steps = [c.step or 1 for _, c in cuts]
    return g.node("Slice", x, *(g.constant(v) for v in (*ends, [axis for axis, _ in cuts], steps)))


def _extremes(g: _Graph, x: str, *, module: Extremes) -> str:
    """By ONNX Runtime's TopK."""
    rows = []
    for first, end, count in module.bands:
        band = g.node("Slice", x, *(g.constant([n]) for n in (first, end, -1)))
        for largest in (1, 0):
            best = g.node("TopK", band, g.constant([count]), axis=-1, largest=largest, sorted=0, results=2)
            rows.append(g.node("ReduceMean", best, g.constant([-1]), keepdims=1))
    return g.node("Concat", *rows, axis=-1)


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
    torch.cat: lambda g, parts, dim: g.node("Concat", *parts, axis=dim),
    "unsqueeze": lambda g, x, dim: g.node("Unsqueeze", x, g.constant([dim])),
    "mean": _reduce("ReduceMean"),
    "amax": _reduce("ReduceMax"),
    "flatten": lambda g, x, start: g.node("Flatten", x, axis=start),
    F.relu: lambda g, x, **_: g.node("Relu", x),
    F.max_pool2d: _max_pool,
    F.conv2d: _filter,
    torch.conv2d: _filter,
    F.pad: _pad,
    F.interpolate: _resize,
}
_MODULES: dict[type[nn.Module], Callable[..., Any]] = {
    nn.Conv2d: _convolution,
    nn.AvgPool2d: _average_pool,
    nn.Linear: _linear,
    nn.Dropout: lambda _, x, **__: x,
    nn.Identity: lambda _, x, **__: x,
    Blockwise: _blockwise,
    PowerSpectrum: _power_spectrum,
    Smoother: _smoother,
    Banded: _banded,
    Extremes: _extremes,
}
