"""The front end's modules as ONNX operations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from earmark.export.graph.builder import Nodes
from earmark.frontend.mel import Banded
from earmark.frontend.pcen import Smoother
from earmark.frontend.stft import PowerSpectrum
from earmark.frontend.tonal import Extremes

_SHARED = 4  # samples that frames and hop must have in common for blocks to pay


@dataclass(frozen=True)
class Frames:
    """A waveform that is to be cut into frames."""

    waveform: str
    hop_length: int


@dataclass(frozen=True)
class Power:
    """A power spectrum, (batch, row, frame), whose rows are the frequencies in another order, some of them twice."""

    name: str
    frequencies: NDArray[np.int64]

    def ordered(self, g: Nodes) -> str:
        """As the module gives it: (batch, frame, frequency)."""
        first = np.unique(self.frequencies, return_index=True)[1]
        return g.node("Transpose", g.node("Gather", self.name, g.constant(first), axis=1), perm=[0, 2, 1])


def power_spectrum(g: Nodes, frames: Frames, *, module: PowerSpectrum) -> Power:
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
    return Power(power, np.minimum(frequencies, n_fft - frequencies))


def _strided(g: Nodes, frames: Frames, kernel: NDArray[np.float64], inner: int) -> str:
    """The first step where the hop is a whole number of blocks: (batch, rows, frame)."""
    samples = g.node("Shape", frames.waveform, start=1)
    end = g.node("Mul", g.node("Div", samples, g.constant([inner])), g.constant([inner]))
    whole = g.node("Slice", frames.waveform, g.constant([0]), end, g.constant([1]))
    blocks = g.node("Transpose", g.node("Reshape", whole, g.constant([0, -1, inner])), perm=[0, 2, 1])
    return g.node("Conv", blocks, g.constant(kernel), strides=[frames.hop_length // inner], group=inner)


def _gathered(g: Nodes, frames: Frames, kernel: NDArray[np.float64], inner: int) -> str:
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


def _frames_last(g: Nodes, like: str, rows: int) -> str:
    """The shape (batch, rows, frame), with batch and frame those of ``like``."""
    return g.node("Concat", g.node("Shape", like, end=1), g.constant([rows]), g.node("Shape", like, start=-1), axis=0)


def banded(g: Nodes, power: Power, *, module: Banded) -> str:
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


def smoother(g: Nodes, x: str, *, module: Smoother) -> str:
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


def extremes(g: Nodes, x: str, *, module: Extremes) -> str:
    """By ONNX Runtime's TopK."""
    rows = []
    for first, end, count in module.bands:
        band = g.node("Slice", x, *(g.constant([n]) for n in (first, end, -1)))
        for largest in (1, 0):
            best = g.node("TopK", band, g.constant([count]), axis=-1, largest=largest, sorted=0, results=2)
            rows.append(g.node("ReduceMean", g.node("Sqrt", best), g.constant([-1]), keepdims=1))
    return g.node("Concat", *rows, axis=-1)
