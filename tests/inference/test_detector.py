from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from earmark.errors import BundleError
from earmark.inference import detector
from earmark.inference.detector import Detector, Tail
from earmark.training import detectors
from earmark.training.detectors import Normal


def normal(count: int = 60, size: int = 6, machines: int = 2, *, seed: int = 0, apart: float = 5.0) -> Normal:
    """Gaussian clouds, one a machine, three windows to a group."""
    rng = np.random.default_rng(seed)
    machine = np.arange(count) % machines
    embeddings = rng.normal(size=(count, size)) + apart * machine[:, None]
    return Normal(
        embeddings.astype(np.float32),
        np.ones((count, size), np.float32),
        machine,
        np.zeros(count, np.int64),
        np.arange(count) // (3 * machines) * machines + machine,
    )


@given(st.integers(2, 40), st.integers(1, 5), st.integers(0, 100))
def test_distances_are_euclidean(n: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(7, size)), rng.normal(size=(n, size))
    assert detector.distances(a, b) == pytest.approx(np.linalg.norm(a[:, None] - b[None], axis=2), abs=1e-6)


def test_distance_and_density_equal_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    known, judged = rng.normal(size=(700, 4)), rng.normal(size=(600, 4))  # more than one block of rows
    own = NearestNeighbors(n_neighbors=3).fit(known).kneighbors(known)[0][:, 1:].mean(axis=1)
    density = detector.own_density(known)
    assert density == pytest.approx(np.clip(own, 0.1 * np.median(own), 1.5 * np.median(own)), rel=1e-6)
    found, nearest = detector.log_distance(judged, known, density)
    ratio = np.sort(np.linalg.norm(judged[:, None] - known[None], axis=2) / density, axis=1)
    assert found == pytest.approx(np.log(ratio[:, :3].mean(axis=1)), abs=1e-5)
    ratios = np.linalg.norm(judged[:, None] - known[None], axis=2) / density
    assert (nearest == ratios.argmin(axis=1)).all()
    own = np.arange(700) < 30
    assert (detector.log_distance(judged, known, density, own)[1] == ratios[:, :30].argmin(axis=1)).all()


def test_a_sound_far_from_all_is_unusual_and_a_known_one_is_not() -> None:
    made = detectors.fit(normal())
    far = np.full((1, 6), 30, np.float32)
    tail, _ = made.judge(np.concatenate([made.embeddings[:4], far]))
    assert (tail[:4] > 0.5).all()
    assert tail[4] < 1e-3


def test_the_machine_is_that_of_the_nearest_sound_unless_given() -> None:
    made = detectors.fit(normal())
    _, found = made.judge(made.embeddings)
    assert (found == made.machine).all()
    assert (made.judge(made.embeddings, 1)[1] == 1).all()


def test_moving_away_makes_a_sound_ever_more_unusual() -> None:
    made = detectors.fit(normal())
    way = np.linspace(0, 50, 40)[:, None] * np.ones(6)
    tail, _ = made.judge((made.embeddings[0] - way).astype(np.float32), 0)
    assert (np.diff(tail) <= 1e-12).all()
    assert tail.min() > 0


@given(st.integers(20, 400), st.integers(0, 1000))
def test_tail_is_a_law(count: int, seed: int) -> None:
    excess = np.sort(np.random.default_rng(seed).normal(size=count))
    tail = Tail.of(excess)
    p = tail.probability(np.linspace(-5, 30, 500))
    assert ((p > 0) & (p <= 1)).all()
    assert (np.diff(p) <= 1e-12).all()
    for rate in (0.1, 0.01, 1e-4):
        assert tail.probability(np.array([tail.quantile(rate)]))[0] == pytest.approx(rate, rel=1e-6)


def test_tail_of_an_exponential_is_that_exponential() -> None:
    excess = np.sort(np.random.default_rng(0).exponential(2.0, 20_000))
    tail = Tail.of(excess)
    for rate in (0.5, 0.05, 0.001, 1e-5):
        assert tail.quantile(rate) == pytest.approx(scipy.stats.expon.isf(rate, scale=2.0), rel=0.06)


def test_tail_of_what_does_not_vary() -> None:
    tail = Tail.of(np.zeros(12))
    assert tail.probability(np.array([0.0, 1.0])).tolist() == [1.0, pytest.approx(0, abs=1e-6)]


def test_arrays_come_back() -> None:
    made = detectors.fit(normal())
    again = Detector.of(made.to_arrays(), source="here")
    assert (again.judge(made.embeddings)[0] == made.judge(made.embeddings)[0]).all()


def test_arrays_that_do_not_fit_are_refused() -> None:
    arrays = detectors.fit(normal()).to_arrays()
    with pytest.raises(BundleError, match="here: lacks density"):
        Detector.of({k: v for k, v in arrays.items() if k != "density"}, source="here")
    with pytest.raises(BundleError, match="here: its arrays do not fit each other"):
        Detector.of({**arrays, "machine": arrays["machine"] + 2}, source="here")
    for name in ("spread", "transform", "usual", "domain", "band_mean"):
        with pytest.raises(BundleError, match="do not fit"):
            Detector.of({**arrays, name: arrays[name][:1]}, source="here")


def test_scaling_and_shifting_all_sound_changes_nothing() -> None:
    one = normal()
    other = dataclasses.replace(one, embeddings=one.embeddings * np.float32(3) + np.float32(7))
    a, b = (detectors.fit(x) for x in (one, other))
    probe = np.random.default_rng(5).normal(size=(20, 6)).astype(np.float32)
    assert a.judge(probe)[0] == pytest.approx(b.judge(probe * np.float32(3) + np.float32(7))[0], rel=1e-3)
