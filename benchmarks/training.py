"""Training's speed beside the machine's limit: multiply-adds a second of `training.fit` over those of a large matrix product.

    python benchmarks/training.py [--recipe balanced] [--rounds 5] [--profile]

Clips of 5 s at 16 kHz as the recipe trains on them, spectrograms of noise in memory; a backward pass counts as two forward ones.
Steps are timed in runs of two lengths, so that what starting costs drops out; matrix product, bare network (no augmentation, no
optimizer) and training take turns. ``--profile`` lists where the time of the steps goes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from earmark.bundle import BundleSpec
from earmark.networks.classifier import Classifier
from earmark.training import fitting, recipe
from earmark.training.settings import Recipe

SR, CLASSES, SHORT, LONG = 16_000, 50, 5, 45


class Noise:
    """What `training.fit` takes batches from."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def batch(self, rows: NDArray[np.int64], frames: int, _: np.random.Generator | None = None) -> Tensor:
        return torch.randn(len(rows), 1, self._rows, frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="balanced")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--profile", action="store_true")
    chosen = parser.parse_args()
    settings = recipe.load(chosen.recipe, chosen.settings)
    bf16 = fitting.uses_bf16(settings, "cpu")
    made = classifier(settings)
    frames = fitting.crop_frames(made, settings, made.front_end.frames(5 * SR))
    x = torch.randn(settings.batch_size, 1, made.front_end.height, frames).contiguous(memory_format=torch.channels_last)
    macs = 3 * settings.batch_size * multiply_adds(made, x[:1])

    def product() -> float:
        kind = torch.bfloat16 if bf16 else torch.float32
        a, b = torch.randn(4096, 2048).to(kind), torch.randn(2048, 2048).to(kind)
        return 4096 * 2048 * 2048 * 10 / seconds(lambda: [a @ b for _ in range(10)])

    def bare() -> float:
        def step() -> None:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
                loss = made.classify(x)[0].logsumexp(1).mean()
            loss.backward()  # type: ignore[no-untyped-call]

        made.train()
        step()
        return macs * 10 / seconds(lambda: [step() for _ in range(10)])

    def whole() -> float:
        taken = [seconds(lambda n=n: fit(settings, n)) for n in (SHORT, LONG)]
        return macs * (LONG - SHORT) / (taken[1] - taken[0])

    found = [(product(), bare(), whole()) for _ in range(chosen.rounds)]
    limit, network, steps = (statistics.median(row[i] for row in found) for i in range(3))
    clips = steps / macs * settings.batch_size
    shares = [statistics.median(100 * row[i] / row[0] for row in found) for i in (1, 2)]
    head = "| recipe | matrix product | network alone | training | of the product: network, training | clips/s |"
    print(f"{head}\n|---|---|---|---|---|---|")
    print(
        f"| {chosen.recipe}, {'bf16' if bf16 else 'float32'} | {limit / 1e9:.0f} GMAC/s | {network / 1e9:.0f} "
        f"| {steps / 1e9:.0f} | {shares[0]:.0f} %, **{shares[1]:.0f} %** | {clips:.0f} |"
    )
    if chosen.profile:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
            fit(settings, LONG)
        print(profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=45))


def classifier(settings: Recipe) -> Classifier:
    """One for clips of 5 s at 16 kHz."""
    torch.manual_seed(0)
    hop = settings.hop_length(SR, 5.0) / SR
    front_end: dict[str, Any] = {n: getattr(settings, n) for n in ("n_mels", "fmin", "floor", "features", "scale")}
    front_end |= {"fft_seconds": settings.frame_seconds(5.0), "hop_seconds": hop, "fmax": SR / 2}
    network = {"name": settings.network, "width": settings.width, "members": settings.members}
    return Classifier(
        BundleSpec(tuple(map(str, range(CLASSES))), network, SR, 5.0, 5.0, front_end), dropout=settings.dropout
    )


def multiply_adds(made: Classifier, x: Tensor) -> int:
    """Of the convolutions and linear layers of one forward pass."""
    count = 0

    def add(module: nn.Module, _: Any, y: Tensor) -> None:
        nonlocal count
        count += module.weight.numel() * (y.shape[2] * y.shape[3] if y.ndim == 4 else 1)  # type: ignore[operator,union-attr]

    hooks = [m.register_forward_hook(add) for m in made.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.inference_mode():
        made.classify(x)
    for hook in hooks:
        hook.remove()
    return count


def fit(settings: Recipe, steps: int) -> None:
    """Train for this many steps."""
    made = classifier(settings)
    targets = np.arange(steps * settings.batch_size) % CLASSES
    once = Recipe(**{**settings.to_dict(), "epochs": 1, "epochs_a_label": 0.0, "min_steps": 0})
    with tempfile.TemporaryDirectory() as folder:
        features: Any = Noise(made.front_end.row_count)
        frames = made.front_end.frames(5 * SR)
        fitting.fit(
            made, (features, targets), None, once, window_frames=frames, folder=Path(folder), seed=0, device="cpu"
        )


def seconds(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
