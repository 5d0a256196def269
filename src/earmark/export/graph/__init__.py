"""A torch module as an ONNX graph, operation by operation: what the classifier's front end and networks are made of.

Written out here because torch's own exporter takes some ten seconds for a graph of fifty nodes, and because ONNX Runtime computes
spectra several times as fast as products of matrices (`signal`) than by its own operator. Another operation in a network or front
end needs a line in `_OPERATIONS` or `_MODULES`; the export says which.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from earmark.errors import EarmarkError
from earmark.export.graph import signal
from earmark.export.graph.builder import Nodes
from earmark.frontend.mel import Banded
from earmark.frontend.pcen import Smoother
from earmark.frontend.stft import Blockwise, PowerSpectrum
from earmark.frontend.tonal import Extremes

OPSET = 18
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


class _Graph(Nodes):
    """The ONNX graph of a module."""

    def inline(self, module: nn.Module, *inputs: Any) -> Any:
        """Translate a module for these inputs; the names of its results."""
        tracer = _Tracer()
        traced = torch.fx.GraphModule(module, tracer.trace(module))
        waiting = list(inputs)
        values: dict[str, Any] = {}  # torch.fx's names to ours

        def ours(argument: Any, known: Callable[..., Any] | None = None) -> Any:
            def value(node: torch.fx.Node) -> Any:
                found = values[node.name]
                return found.ordered(self) if isinstance(found, signal.Power) and known is not signal.banded else found

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
                    raise EarmarkError(
                        f"ONNX export: operation {what} has no translation; add one to earmark/export/graph"
                    )
                own = {"module": part} if part is not None else {}
                values[node.name] = known(self, *ours(node.args, known), **own, **ours(node.kwargs))
        return None


class _Tracer(torch.fx.Tracer):
    """Stops at the modules that have a translation of their own."""

    proxy_buffer_attributes = True

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether the module is translated as a whole."""
        return type(m) in _MODULES or super().is_leaf_module(m, module_qualified_name)


def _blockwise(g: _Graph, x: str, *, module: Blockwise) -> str:
    """In the graph all frames go at once."""
    rows: str = g.inline(module.rows, signal.Frames(x, module.hop_length))
    return rows


def _two(kind: str) -> Callable[..., str]:
    """An operation on two values, either of which may be a number."""
    return lambda g, a, b: g.node(kind, *(v if isinstance(v, str) else g.constant(np.float32(v)) for v in (a, b)))


def _clamp(g: _Graph, x: str, *, min: float) -> str:  # torch's word for it
    return g.node("Max", x, g.constant(np.float32(min)))


def _item(g: _Graph, x: str, which: Any) -> str:
    """Slices of a tensor."""
    which = which if isinstance(which, tuple) else (which,)
    if not all(isinstance(cut, slice) or cut is Ellipsis for cut in which):
        raise EarmarkError("ONNX export: of indices, slices alone are translated")
    axes = range(len(which)) if Ellipsis not in which else range(-len(which), 0)
    cuts = [(axis, c) for axis, c in zip(axes, which, strict=True) if isinstance(c, slice) and c != slice(None)]
    far = np.iinfo(np.int64).max
    ends = [[c.start or 0 for _, c in cuts], [far if c.stop is None else c.stop for _, c in cuts]]
    steps = [c.step or 1 for _, c in cuts]
    return g.node("Slice", x, *(g.constant(v) for v in (*ends, [axis for axis, _ in cuts], steps)))


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
    return lambda g, x, dim, keepdim=False: g.node(kind, x, g.constant(np.atleast_1d(dim)), keepdims=int(keepdim))


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
        ceil_mode=int(module.ceil_mode),
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
    torch.maximum: _two("Max"),
    torch.addcmul: lambda g, x, a, b: g.node("Add", x, g.node("Mul", a, b)),
    operator.neg: lambda g, x: g.node("Neg", x),
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
    "sum": _reduce("ReduceSum"),
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
    nn.ReLU: lambda g, x, **_: g.node("Relu", x),
    nn.Dropout: lambda _, x, **__: x,
    nn.Identity: lambda _, x, **__: x,
    Blockwise: _blockwise,
    PowerSpectrum: signal.power_spectrum,
    Smoother: signal.smoother,
    Banded: signal.banded,
    Extremes: signal.extremes,
}
