from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_detector import normal

from earmark.errors import DataError, SettingsError
from earmark.inference.detector import Tail
from earmark.training import detectors
from earmark.training.detectors import Normal, false_alarm_rate


@pytest.mark.parametrize(
    ("stated", "rate"),
    [
        ("5%", 0.05),
        ("0.05", 0.05),
        (" 0.5 % ", 0.005),
        ("1/8h", 5 / 28_800),
        ("2/h", 10 / 3600),
        ("1 / 24 h", 5 / 86_400),
    ],
)
def test_false_alarms_are_read(stated: str, rate: float) -> None:
    assert false_alarm_rate(stated, 5.0, 100) == pytest.approx(rate)


def test_what_is_as_rare_as_can_be_shown() -> None:
    assert false_alarm_rate("auto", 5.0, 200) == pytest.approx(1 / 200)
    assert false_alarm_rate("auto", 5.0, 10_000) == pytest.approx(5 / 28_800)
    made = detectors.fit(normal())
    found = detectors.describe(made, "auto", ["a", "b"], (10.0, 5.0))
    assert (found["rate"], found["extrapolated"]) == (pytest.approx(1 / 60), False)
    assert "one false alarm in 60 windows, as rare as 0.17 h of normal sound can show" in found["notes"][0]
    assert "one in 8 h would take 16 h of it" in found["notes"][0]


@pytest.mark.parametrize("stated", ["", "often", "0", "60%", "1/8", "-1%", "1/0h", "1.2.3%"])
def test_false_alarms_that_cannot_be_read(stated: str) -> None:
    with pytest.raises(
        SettingsError, match=r"setting false_alarms is .*; give a share of the windows up to a half \(5%\)"
    ):
        false_alarm_rate(stated, 5.0, 100)


@pytest.mark.parametrize("rate", [0.1, 0.05])
def test_the_stated_rate_is_the_one_seen(rate: float) -> None:
    """Over many draws of normal sound; what was learnt from is not what is judged."""
    seen = []
    for seed in range(12):
        known = normal(150, seed=seed)
        made = detectors.fit(known)
        fresh = normal(600, seed=1000 + seed)
        tails = np.concatenate([made.judge(fresh.embeddings[fresh.machine == m], m)[0] for m in range(2)])
        seen.append((tails <= rate).mean())
    assert np.mean(seen) == pytest.approx(rate, abs=0.02)


def test_half_whitening_takes_half_of_the_correlation() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(4000, 3)) @ np.array([[2.0, 1.0, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 0.3]])
    cells = np.zeros(4000, np.int64)
    after = np.cov((mixed - mixed.mean(0)) @ detectors.half_whitening(mixed.astype(np.float32), cells), rowvar=False)
    before = np.corrcoef(mixed, rowvar=False)
    values, vectors = np.linalg.eigh(before)
    assert after == pytest.approx((vectors * np.sqrt(values)) @ vectors.T, abs=0.03)  # its square root


def test_differences_between_machines_do_not_count_as_spread() -> None:
    near, far = normal(apart=0.0), normal(apart=50.0)
    same = [detectors.half_whitening(x.embeddings, x.cells) for x in (near, far)]
    assert same[0] == pytest.approx(same[1], rel=1e-3, abs=1e-4)


def test_a_noisier_machine_has_a_higher_threshold() -> None:
    known = normal(240)
    noisy = known.embeddings.copy()
    noisy[known.machine == 1] = 5 + 4 * (noisy[known.machine == 1] - 5)
    made = detectors.fit(dataclasses.replace(known, embeddings=noisy))
    found = detectors.describe(made, "5%", ["a", "b"], (5.0, 5.0))
    # Each distance is over its neighbours' own, so that what is left of the difference is small, and the order may be either.
    assert set(found["thresholds"]) == {"a", "b"}
    fresh = normal(600, seed=9)
    spread = np.where(fresh.machine[:, None] == 1, 5 + 4 * (fresh.embeddings - 5), fresh.embeddings).astype(np.float32)
    for m in range(2):
        assert (made.judge(spread[fresh.machine == m], m)[0] <= 0.05).mean() == pytest.approx(0.05, abs=0.05)


def test_description_says_what_is_extrapolated() -> None:
    plain = detectors.describe(detectors.fit(normal(machines=1)), "5%", [], (5.0, 5.0))
    assert (plain["extrapolated"], plain["notes"], plain["normal_windows"]) == (False, [], 60)
    assert plain["thresholds"].keys() == {"all"}
    made = detectors.fit(normal())
    rare = detectors.describe(made, "1/8h", ["a", "b"], (5.0, 5.0))
    assert rare["extrapolated"]
    assert "one false alarm in 5760 windows is stated, and the 60 normal windows at hand (0.083 h)" in rare["notes"][0]
    common = detectors.describe(made, "5%", ["a", "b"], (5.0, 5.0))
    assert all(rare["thresholds"][name] > common["thresholds"][name] for name in "ab")
    for found in (plain, rare):
        low, high = found["rate_interval"]
        assert low <= found["rate"] <= high


def test_too_little_to_learn_from() -> None:
    with pytest.raises(DataError, match="data: 4 normal windows in 2 groups are too few"):
        detectors.fit(normal(4))
    lonely = normal(20)
    lonely = dataclasses.replace(lonely, group=lonely.machine.copy())
    with pytest.raises(DataError, match="data: only 0 normal windows have enough others of their machine beside them"):
        detectors.fit(lonely)


def test_the_fewest_windows_that_are_asked_for_do() -> None:
    few = normal(5)
    number = np.zeros(5, np.int64)
    made = detectors.fit(dataclasses.replace(few, machine=number, domain=number, group=np.arange(5)))
    assert len(made.excess) == 5


def test_a_machine_of_one_group_takes_the_threshold_of_the_others() -> None:
    known = normal(60, machines=3)
    group = np.where(known.machine == 2, 10_000, known.group)
    made = detectors.fit(dataclasses.replace(known, group=group))
    assert len(made.excess) == 40
    assert made.usual[2] == pytest.approx(made.usual[:2].mean(), abs=0.2)


def test_later_conditions_set_the_threshold_and_the_first_stay_known() -> None:
    first = normal(60)
    shifted = normal(12, seed=3)
    shifted = dataclasses.replace(shifted, embeddings=shifted.embeddings + np.float32(20))
    before, after = detectors.fit(first), detectors.fit(first + shifted)
    fresh = normal(60, seed=7).embeddings + np.float32(20)
    assert (before.judge(fresh)[0] <= 0.05).all()
    assert (after.judge(fresh)[0] <= 0.05).mean() < 0.25
    old = normal(200, seed=8)
    for m in range(2):
        inside = old.embeddings[old.machine == m]
        for number in (None, m):  # what it knew stays normal, with the threshold that belongs to it
            ours, theirs = ((x.judge(inside, number)[0] <= 0.05).mean() for x in (after, before))
            assert ours == pytest.approx(theirs, abs=0.08)
    assert after.domain.tolist() == [0] * 60 + [1] * 12
    assert not set(after.group[:60]) & set(after.group[60:])


def test_every_group_is_left_out_whole() -> None:
    known = normal(90)
    part = detectors._parts(known.cells, known.group)
    for g in np.unique(known.group):
        assert len(set(part[known.group == g])) == 1
    for m in range(2):
        assert len(set(part[known.machine == m])) > 1


def test_bands_are_those_of_the_machine() -> None:
    known = normal(400)
    made = detectors.fit(known)
    own = known.embeddings[known.machine == 1]
    assert made.band_mean[1] == pytest.approx(own.mean(axis=0), abs=1e-5)
    assert made.band_std[1] == pytest.approx(own.std(axis=0, ddof=1), rel=1e-5)
    assert made.frame_std[1] == pytest.approx(np.sqrt(1 + own.var(axis=0, ddof=1)), rel=1e-5)


def test_known_windows_come_back_from_a_detector() -> None:
    known = normal()
    again = Normal.known_to(detectors.fit(known))
    assert (again.embeddings == known.embeddings).all()
    assert (detectors.fit(again).excess == detectors.fit(known).excess).all()


@pytest.mark.parametrize("groups", [5, 10, 40, 200])
@pytest.mark.parametrize("rate", [0.05, 0.005])
def test_the_interval_holds_the_stated_rate_however_few_groups_there_are(groups: int, rate: float) -> None:
    excess = np.sort(np.random.default_rng(1).normal(size=200))
    detector: Any = SimpleNamespace(excess=excess, group=np.arange(200) % groups, tail=Tail.of(excess))
    low, high = detectors._interval(detector, detector.tail.quantile(rate))
    assert low < rate < high
    assert high - low > 0.3 * rate


def test_a_day_of_one_window_does_not_blind_the_detector() -> None:
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(41, 8)).astype(np.float32)
    number = np.zeros(41, np.int64)
    one = detectors.Normal(embeddings, np.abs(embeddings), number, number, np.array([0] + [1] * 40))
    with pytest.raises(DataError, match="only 1 normal windows have enough others of their machine beside them"):
        detectors.fit(one)


def test_conditions_of_one_machine_move_no_other() -> None:
    usual = np.array([-0.32, -0.09, 0.15, 0.33])
    distance, cells, domain, group = [], [], [], []
    for number, mean in enumerate(usual):
        for g in range(6):
            distance += [mean + 0.01 * (-1) ** g] * 4
            cells, domain, group = cells + [number] * 4, domain + [0] * 4, group + [10 * number + g] * 4
    before = detectors._usual(*map(np.array, (distance, cells, domain, group)))
    assert before == pytest.approx(usual, abs=0.02)
    for g, far in enumerate((0.0, 1.0)):
        distance, cells, domain, group = distance + [far] * 4, cells + [4] * 4, domain + [1] * 4, group + [90 + g] * 4
    after = detectors._usual(*map(np.array, (distance, cells, domain, group)))
    assert after[:4] == pytest.approx(before, abs=1e-6)
