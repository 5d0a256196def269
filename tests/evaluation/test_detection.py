from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics

from earmark.evaluation import detection

Drawn = tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], list[str]]
MACHINES = ("fan/id_00", "fan/id_02", "valve/id_00")


@st.composite
def clips(draw: st.DrawFn) -> Drawn:
    """Scores with ties, truth, what was flagged, and machines, which may know one class only."""
    n = draw(st.integers(1, 60))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    abnormal = rng.random(n) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    scores = rng.integers(0, draw(st.sampled_from([1, 4, 10_000])), n) + 0.5 * abnormal
    flagged = scores > draw(st.sampled_from([-1, 1, 5_000, 20_000]))
    return scores, abnormal, flagged, rng.choice(MACHINES, n).tolist()


def only_numbers(found: Any) -> None:
    json.dumps(found, allow_nan=False)


@given(clips())
def test_equals_scikit_learn(drawn: Drawn) -> None:
    scores, abnormal, flagged, machines = drawn
    found = detection.measure_detection(scores, abnormal, flagged, machines, hours=2.0, stated=0.01)
    only_numbers(found)
    assert found["n"] == len(scores)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(abnormal, flagged))
    expected = metrics.precision_recall_fscore_support(abnormal, flagged, labels=[False, True], zero_division=np.nan)
    count = expected[3]
    for key, values in zip(("precision", "recall", "f1"), expected, strict=False):
        wanted = [None if not n or np.isnan(x) else pytest.approx(x) for x, n in zip(values, count, strict=True)]
        assert [found["per_class"][label][key] for label in ("normal", "abnormal")] == wanted
        assert found[key] == wanted[1]
    assert [row["n"] for row in found["per_class"].values()] == count.tolist()
    assert found["confusion"] == metrics.confusion_matrix(abnormal, flagged, labels=[False, True]).tolist()
    (tn, fp), _ = found["confusion"]
    assert found["false_alarms_per_hour"] == fp / 2
    rate = found["false_alarm_rate"]
    assert (rate["stated"], rate["n"]) == (0.01, tn + fp)
    assert (rate["seen"] is None) == (rate["interval"] is None) == bool(abnormal.all())
    for share, interval, part in (
        (rate["seen"], rate["interval"], flagged[~abnormal]),
        (found["recall"], found["recall_interval"], flagged[abnormal]),
    ):
        if len(part):
            expected_interval = stats.binomtest(int(part.sum()), len(part)).proportion_ci(method="wilson")
            assert share == pytest.approx(part.mean(), abs=1e-12)
            assert interval == pytest.approx([expected_interval.low, expected_interval.high])
    if len(set(abnormal)) == 2:
        assert found["auc"] == pytest.approx(metrics.roc_auc_score(abnormal, scores))
        assert found["pauc"] == pytest.approx(metrics.roc_auc_score(abnormal, scores, max_fpr=0.1))
        low, high = found["auc_interval"]
        assert 0 <= low <= found["auc"] + 1e-9 and found["auc"] - 1e-9 <= high <= 1 and high - low > 0.01
    else:
        assert (found["auc"], found["pauc"], found["auc_interval"]) == (None, None, None)


@given(clips())
def test_a_row_is_what_its_clips_say_alone(drawn: Drawn) -> None:
    scores, abnormal, flagged, machines = drawn
    rows = detection.machine_table(machines, abnormal, flagged, scores)
    only_numbers([rows, detection.over_machines(rows), detection.csv_rows(rows)])
    assert [row["machine"] for row in rows] == sorted(set(machines))
    assert sum(row["n"] for row in rows) == len(scores)
    for row in rows:
        own = np.array(machines) == row["machine"]
        alone = detection.measure_detection(scores[own], abnormal[own], flagged[own], ["x"] * int(own.sum()))
        for key in ("accuracy", "accuracy_interval", "auc", "pauc"):
            assert row[key] == alone[key]
        assert row["n_abnormal"] == alone["per_class"]["abnormal"]["n"]
        undefined = not (flagged[own].any() and abnormal[own].any())
        assert (row["precision"] is None) == undefined == ("precision" in row["note"])
        assert (row["recall"] is None) == (not abnormal[own].any()) == ("no abnormal clip" in row["note"])
        assert ("no normal clip" in row["note"]) == bool(abnormal[own].all())
        assert (row["auc"] is None) == (len(set(abnormal[own])) < 2)
        for key in ("precision", "recall", "f1"):
            assert row[key] in (None, alone[key])
        for key in ("precision", "recall", "accuracy"):
            interval = row[f"{key}_interval"]
            assert interval is None if row[key] is None else interval[0] <= row[key] <= interval[1]


@given(clips())
def test_numbers_serve_as_flags(drawn: Drawn) -> None:
    scores, abnormal, flagged, machines = drawn
    numbers = detection.measure_detection(scores, abnormal.astype(np.int64), flagged.astype(np.int64), machines)
    assert numbers == detection.measure_detection(scores, abnormal, flagged, machines)


def row(machine: str, auc: float | None, pauc: float | None, **more: Any) -> dict[str, Any]:
    base = dict.fromkeys(("accuracy", "precision", "recall", "f1"), 0.5)
    return {"machine": machine, **base, "auc": auc, "pauc": pauc, "n": 4, "note": "", **more}


def test_means_over_machines() -> None:
    found = detection.over_machines([row("a", 0.9, 0.6), row("b", 0.5, 0.7), row("c", None, None, recall=None)])
    assert found["mean"]["auc"] == pytest.approx(0.7)
    assert found["mean"]["recall"] == 0.5
    assert found["harmonic_mean"]["auc"] == pytest.approx(stats.hmean([0.9, 0.5]))
    assert found["harmonic_mean"]["pauc"] == pytest.approx(stats.hmean([0.6, 0.7]))
    assert found["score"] == pytest.approx(stats.hmean([0.9, 0.5, 0.6, 0.7]))
    assert detection.over_machines([row("a", 0.9, 0.6), row("b", 0.0, 0.5)])["score"] == 0
    assert detection.over_machines([row("a", None, None)])["score"] is None
    assert set(detection.over_machines([])["mean"].values()) == {None}


def test_no_clips() -> None:
    found = detection.measure_detection(np.zeros(0), np.zeros(0, np.bool_), np.zeros(0, np.bool_), [])
    only_numbers(found)
    assert (found["n"], found["accuracy"], found["f1"], found["machines"]) == (0, None, None, [])


@pytest.mark.parametrize("n", [5, 40, 1000])
@pytest.mark.parametrize("auc", [0.0, 0.3, 0.5, 0.93, 1.0])
def test_auc_interval_solves_hanley_and_mcneil(auc: float, n: int) -> None:
    """With as many abnormal as normal clips, Newcombe's variance is theirs as they wrote it."""
    low, high = detection._auc_interval(auc, n, n)
    for bound in (low, high):
        if 0 < bound < 1:
            q1, q2 = bound / (2 - bound), 2 * bound**2 / (1 + bound)
            variance = (bound * (1 - bound) + (n - 1) * (q1 - bound**2) + (n - 1) * (q2 - bound**2)) / n**2
            assert abs(auc - bound) == pytest.approx(stats.norm.ppf(0.975) * variance**0.5, rel=1e-6)
    assert low == 0 if auc == 0 else 0 < low < auc
    assert high == 1 if auc == 1 else auc < high < 1


def test_auc_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    truth = stats.norm.cdf(1.5 / 2**0.5)
    abnormal = np.arange(60) < 20
    held = 0
    for _ in range(300):
        scores = rng.normal(size=60) + 1.5 * abnormal
        low, high = detection._auc_interval(float(metrics.roc_auc_score(abnormal, scores)), 20, 40)
        held += low <= truth <= high
    assert held / 300 == pytest.approx(0.95, abs=0.03)


def test_watch_by_hand() -> None:
    # An hour; faults from 10 to 20 min and, overlapping each other, 40 to 45 and 44 to 50 min, and one at the end.
    faults = [(600.0, 1200.0), (2400.0, 2700.0), (2640.0, 3000.0), (3540.0, 3600.0)]
    alarms = [
        (0.0, 5.0),
        (595.0, 600.0),
        (630.0, 640.0),
        (700.0, 710.0),
        (1200.0, 1210.0),
        (2300.0, 2650.0),
        (3300.0, 3310.0),
    ]
    found = detection.watch(alarms, faults, 3600.0)
    assert (found["faults"], found["found"]) == (4, 3)
    assert found["delays"] == [30.0, 0.0, 0.0, None]
    assert found["delay"] == 0.0
    assert found["false_alarms"] == 4  # at 0, 595, 1200 and 3300 s
    assert found["normal_hours"] == pytest.approx((3600 - 600 - 600 - 60) / 3600)
    assert found["false_alarms_per_hour"] == pytest.approx(4 / 0.65)
    # Garwood's table: 4 events, 1.0899 to 10.2416
    assert found["false_alarms_per_hour_interval"] == pytest.approx([1.0899 / 0.65, 10.2416 / 0.65], rel=1e-4)
    tolerant = detection.watch(alarms, faults, 3600.0, tolerance=10.0)
    assert tolerant["false_alarms"] == 2
    assert tolerant["delays"] == found["delays"]
    only_numbers([found, tolerant])


def test_an_alarm_counts_for_the_fault_that_its_windows_hold_from_when_it_was_raised() -> None:
    found = detection.watch([(15.0, 30.0)], [(21.0, 24.0)], 60.0, raised=[25.0])
    assert (found["found"], found["delays"], found["false_alarms"]) == (1, [4.0], 0)


def test_watches_are_one_long_watch() -> None:
    first = detection.watch([(10, 20), (100, 110)], [(5, 50)], 1800)
    second = detection.watch([(1000, 1010)], [(900, 1200), (1300, 1400)], 1800)
    both = detection.watch([(10, 20), (100, 110), (2800, 2810)], [(5, 50), (2700, 3000), (3100, 3200)], 3600)
    found = detection.watches([first, second])
    assert found.pop("normal_hours") == pytest.approx(both.pop("normal_hours"))
    assert found["delays"] == both["delays"] == [5.0, 100.0, None]
    for key in ("false_alarms_per_hour", "false_alarms_per_hour_interval"):
        assert found.pop(key) == pytest.approx(both.pop(key))
    assert found == both


TIMES = st.integers(0, 5_000).map(lambda tenths: tenths / 10)
SPANS = st.lists(st.tuples(TIMES, TIMES).map(lambda span: (min(span), max(span))), max_size=6)


@given(SPANS, SPANS, TIMES)
def test_watch_gives_numbers_only(alarms: Any, faults: Any, seconds: float) -> None:
    found = detection.watch(alarms, faults, seconds)
    only_numbers([found, detection.watches([found, found]), detection.watches([])])
    assert 0 <= found["normal_hours"] <= seconds / 3600
    assert found["found"] <= found["faults"] == len(faults)
    if found["normal_hours"]:
        low, high = found["false_alarms_per_hour_interval"]
        assert low <= found["false_alarms_per_hour"] <= high


def test_nothing_happened() -> None:
    found = detection.watch([], [], 7200)
    assert (found["delay"], found["false_alarms_per_hour"]) == (None, 0.0)
    assert found["false_alarms_per_hour_interval"] == pytest.approx([0, -np.log(0.025) / 2])
    always = detection.watch([], [(0.1, 0.3), (0.3, 70), (0, 0.1)], 60)
    assert (always["normal_hours"], always["false_alarms_per_hour"]) == (0, None)


def test_markdown() -> None:
    abnormal = np.array([0, 0, 1, 1, 0, 0], np.bool_)
    flagged = np.array([0, 1, 1, 1, 0, 0], np.bool_)
    machines = ["fan"] * 4 + ["a|b"] * 2
    rows = detection.machine_table(machines, abnormal, flagged)
    assert detection.markdown(rows).splitlines() == [
        "| machine | precision | recall | accuracy | n | note |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        "| a\\|b | - | - | 100.0% (34.2 to 100.0) | 2 | no abnormal clip: precision, recall, F1 and AUC are undefined |",
        "| fan | 66.7% (20.8 to 93.9) | 100.0% (34.2 to 100.0) | 75.0% (30.1 to 95.4) | 4 |  |",
        "| **mean** | **66.7%** | **100.0%** | **87.5%** |  |  |",
    ]
    scored = detection.machine_table(machines[:4], abnormal[:4], flagged[:4], np.array([0, 2.0, 1, 3]))
    lines = detection.markdown(scored).splitlines()
    assert lines[0] == "| machine | precision | recall | accuracy | AUC | pAUC | n |"
    assert lines[2].endswith("| 75.0% (30.1 to 95.4) | 75.0% | 73.7% | 4 |")
    assert len({line.count(" | ") for line in lines}) == 1
    assert detection.markdown([]).count("\n") == 3


def test_csv_rows() -> None:
    rows = detection.machine_table(["fan", "fan"], np.array([False, True]), np.array([False, False]))
    (flat,) = detection.csv_rows(rows)
    assert (flat["precision"], flat["precision_low"], flat["precision_high"]) == (None, None, None)
    assert [flat["accuracy_low"], flat["accuracy_high"]] == rows[0]["accuracy_interval"]
    assert not any(isinstance(value, list) for value in flat.values())
    text = io.StringIO()
    writer = csv.DictWriter(text, list(flat))
    writer.writeheader()
    writer.writerow(flat)
    assert text.getvalue().startswith(
        "machine,precision,precision_low,precision_high,recall,recall_low,recall_high,f1,"
    )
