from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.audio.windows import ShortClip, WindowCutter, WindowPlan, hysteresis, merge, softmax


@given(
    st.integers(1, 400),
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from(["pad", "repeat"]),
    st.lists(st.integers(0, 90), max_size=8),
)
def test_blocks_give_the_windows_of_the_whole_and_every_sample_is_heard(
    length: int, window: int, stride: int, rule: ShortClip, sizes: list[int]
) -> None:
    stride = min(stride, window)
    plan = WindowPlan(window, stride, rule)
    samples = np.arange(length, dtype=np.float32)
    whole, starts = plan.cut(samples)
    cutter = WindowCutter(plan)
    edges = np.minimum(np.cumsum([0, *sizes, length]), length)
    pieces = [p for a, b in pairwise(edges) for p in cutter.push(samples[a:b])] + cutter.finish()
    assert [s for _, s in pieces] == starts
    assert np.array_equal(np.stack([p for p, _ in pieces]), whole)
    assert plan.count(length) == len(whole)
    if length >= window:
        assert set(whole.ravel()) == set(samples)
        assert all(np.array_equal(row, samples[s : s + window]) for row, s in zip(whole, starts, strict=True))
        assert starts[:-1] == [i * stride for i in range(len(starts) - 1)]
        assert starts[-1] + window == length


def test_short_clips() -> None:
    samples = np.array([1, 2, 3], np.float32)
    assert WindowPlan(8, 4, "pad").fit(samples).tolist() == [1, 2, 3, 0, 0, 0, 0, 0]
    assert WindowPlan(8, 4, "repeat").fit(samples).tolist() == [1, 2, 3, 1, 2, 3, 1, 2]


def test_softmax_does_not_overflow_and_temperature_flattens() -> None:
    logits = np.array([[1000.0, 0.0], [0.0, 1.0]], np.float32)
    assert softmax(logits)[0].tolist() == [1.0, 0.0]
    assert softmax(logits).sum(axis=1) == pytest.approx([1, 1])
    assert softmax(logits, 10.0)[1, 1] == pytest.approx(1 / (1 + np.exp(-0.1)))


def test_merge_is_the_mean_or_the_highest() -> None:
    scores = np.array([[0.2, 0.8], [0.6, 0.4]], np.float32)
    assert merge(scores) == pytest.approx([0.4, 0.6])
    assert merge(scores, "max") == pytest.approx([0.6, 0.8])


def test_a_stretch_lasts_while_it_is_not_under_the_lower_threshold() -> None:
    scores = np.array([0.2, 0.6, 0.9, 0.6, 0.2, 0.6, 0.7, 0.1, 0.8])
    assert hysteresis(scores, 0.8, 0.5) == [(1, 2, 3), (8, 8, 8)]
    assert hysteresis(scores, 0.8, 0.8) == [(2, 2, 2), (8, 8, 8)]
    assert hysteresis(scores, 0.95, 0.5) == []
