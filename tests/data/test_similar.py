"""Which labels look like one and the same."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earmark.data import similar

KNOWN = ["chirp", "dog_bark", "siren", "fan", "1", "10", "normal", "café", "id_00", "rain", "fly"]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Chirp", "chirp"),
        (" chirp ", "chirp"),
        ("CHIRP", "chirp"),
        ("chirps", "chirp"),
        ("chrip", "chirp"),
        ("chirrp", "chirp"),
        ("chir", "chirp"),
        ("Dog Bark", "dog_bark"),
        ("dog-bark", "dog_bark"),
        ("dogbark", "dog_bark"),
        ("fans", "fan"),
        ("flies", "fly"),
        ("01", "1"),
        ("001", "1"),
        ("1.0", "1"),
        ("ID 0", "id_00"),
        (unicodedata.normalize("NFD", "Café"), "café"),
        ("\N{FULLWIDTH LATIN SMALL LETTER C}hirp", "chirp"),
    ],
)
def test_what_may_be_meant(name: str, meant: str) -> None:
    assert similar.matches([name], KNOWN) == [(name, meant)]


@pytest.mark.parametrize("name", ["van", "train", "abnormal", "id_01", "2", "100", "1-0", "1_0", "cat", "", "x"])
def test_what_is_another_word(name: str) -> None:
    assert similar.matches([name], KNOWN) == []


def test_what_is_known_is_proposed_nothing_and_the_likest_is_proposed() -> None:
    assert similar.matches(KNOWN, KNOWN) == []
    assert similar.matches(["Chirp"], ["chirps", "chirp", "chips"]) == [("Chirp", "chirp")]
    assert similar.matches(["Chirp"], []) == []
    assert similar.proposed([("Chirp", "chirp"), ("01", "1")]) == "'Chirp' looks like 'chirp', '01' looks like '1'"


@given(st.text(max_size=12), st.text(max_size=12))
def test_likeness_has_no_direction(one: str, other: str) -> None:
    assert bool(similar.matches([one], [other])) == bool(similar.matches([other], [one]))


def test_labels_of_one_data_set_are_told_by_how_rare_they_are() -> None:
    found = similar.similar_labels(
        Counter({"dog": 10, "Dog": 9, "cat": 10, "cats": 1, "1": 5, "01": 4, "10": 5, "owls": 9, "owl": 9})
    )
    assert found == [("Dog", "dog"), ("01", "1"), ("cats", "cat")]


@pytest.mark.parametrize(
    ("labels", "mark"),
    [
        (["Guitar,Music", "Guitar", "Music"], ","),
        (["dog|rain", "rain|wind", "dog|wind", "cat"], "|"),
        (["dog + cat", "dog", "cat"], "+"),
        (["a/b", "a", "b"], "/"),
        (["dog and cat", "dog", "cat"], " and "),
        (["speech & music", "speech", "music"], "&"),
        (["dog", "cat"], ""),
        (["New York, NY", "Paris, France", "Rome"], ""),
        (["red/blue finch", "owl"], ""),
        (["no cough", "cough"], ""),
    ],
)
def test_labels_that_look_like_several_name_the_separator(labels: list[str], mark: str) -> None:
    note = similar.joined_labels(labels)
    assert f"label_separator={mark!r}" in note if mark else not note
