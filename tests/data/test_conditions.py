from __future__ import annotations

import pytest

from earmark.data import conditions
from earmark.errors import DataError


def test_conditions_are_told_from_other_labels() -> None:
    assert conditions.are_conditions(["Normal", "ABNORMAL"])
    assert conditions.are_conditions(["worn", "intact", "broken"])
    assert not conditions.are_conditions(["normal", "dog"])


def test_the_normal_label_is_found_by_its_name() -> None:
    assert conditions.normal_label(["abnormal", "Normal"]) == "Normal"
    assert conditions.normal_label(["cat", "dog"]) is None
    assert conditions.normal_label(["ok", "good"]) is None  # which of the two?


def test_choosing_the_normal_label() -> None:
    assert conditions.chosen_normal(["fan_b", "fan_a"], "fan_a", where="data") == "fan_a"
    assert conditions.chosen_normal(["idle"], None, where="data") == "idle"
    with pytest.raises(
        DataError, match=r"^data: which of its labels is normal\? It has a, b; name it with normal=LABEL"
    ):
        conditions.chosen_normal(["b", "a"], None, where="data")
    with pytest.raises(DataError, match=r"^data: has no label 'c' \(normal=LABEL\); it has a, b"):
        conditions.chosen_normal(["b", "a"], "c", where="data")


def test_names_that_speak_of_faults_are_refused() -> None:
    conditions.refuse_faulty_names(["hall_1.wav", "unbroken/2.wav"], where="data")
    with pytest.raises(DataError, match=r"^data: x/pump_abnormal-3\.wav sounds like a fault by its name"):
        conditions.refuse_faulty_names(["hall_1.wav", "x/pump_abnormal-3.wav"], where="data")


def test_a_single_label_that_sounds_like_a_fault_is_not_taken_for_normal() -> None:
    for label in ("bearing_fault", "Broken blade", "anomaly"):
        with pytest.raises(DataError, match="which of its labels is normal"):
            conditions.chosen_normal([label], None, where="data")
    assert conditions.chosen_normal(["default speed"], None, where="data") == "default speed"
