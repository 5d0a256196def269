from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import earmark
from earmark.data.options import ReadCall, ScanCall
from earmark.figures.options import SpectrogramCall
from earmark.inference.predicting import PredictCall
from earmark.support.keywords import described, flat, option
from earmark.training.settings import Recipe
from earmark.workflow import calls

VERBS: dict[str, type[Any]] = {
    "read": ReadCall, "scan": ScanCall, "predict": PredictCall, "train": calls.TrainCall, "crossval": calls.CrossvalCall,
    "evaluate": calls.EvaluateCall, "tune": calls.TuneCall, "adapt": calls.AdaptCall, "spectrogram": SpectrogramCall,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Call:
    place: str = field(kw_only=False, metadata=option("A place."))
    names: Sequence[str] = field(default=(), metadata=option("Names.", "Data"))
    settings: Sequence[str] = field(default=(), metadata=option("Settings.", "Training", repeated=True, flag="--set"))


@dataclass(frozen=True, kw_only=True)
class Keywords(Call):
    lr: float = 0.1
    features: str = "mel"


@flat(Keywords, Call)
def verb(call: Call) -> Call:
    """Do it.

    Returns
    -------
    Call
    """
    return call


def test_settings_are_handed_over_as_they_were_given() -> None:
    assert verb("x") == Call(place="x")
    assert verb(place="x", lr=0.5).settings == ("lr=0.5",)
    assert verb("x", settings=("epochs=3",), lr=1e-3).settings == ("epochs=3", "lr=0.001")
    assert verb("x", features="mel,mfcc").settings == ("features=mel,mfcc",)


def test_a_list_may_be_written_with_commas() -> None:
    assert verb("x", names="a, b,").names == ("a", "b")
    assert verb("x", names=["a"]).names == ["a"]


def test_wrong_keywords_are_named_with_the_nearest() -> None:
    with pytest.raises(earmark.SettingsError, match=r"earmark.verb has no option 'nmaes' \(did you mean 'names'\?\)"):
        verb("x", nmaes="a")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="takes 1 arguments by position"):
        verb("x", "y")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="needs place"):
        verb()  # type: ignore[call-arg]


def test_signature_and_docstring_say_every_keyword() -> None:
    parameters = inspect.signature(verb).parameters
    assert list(parameters) == ["place", "names", "settings", "lr", "features"]
    assert repr(parameters["lr"].default) == "<by the recipe>"
    assert verb.__doc__ is not None
    assert "place : str\n    A place." in verb.__doc__ and verb.__doc__.index("Parameters") < verb.__doc__.index(
        "Returns"
    )


@pytest.mark.parametrize("name", list(VERBS))
def test_every_verb_takes_its_call_and_says_every_keyword(name: str) -> None:
    function, call = getattr(earmark, name), VERBS[name]
    parameters = set(inspect.signature(function).parameters)
    own = {f.name for f in dataclasses.fields(call)}
    settings = {f.name for f in dataclasses.fields(Recipe)} if "settings" in own else set()
    assert parameters == own | settings
    assert set(described(call)) == own  # each has a help text, a group, and so an option
    for keyword, (_, said) in described(call).items():
        assert f"\n{keyword} : " in function.__doc__
        assert said.help.endswith(".") and (
            said.help[0].isupper() or said.help.startswith(("auto:", "test:", "labels:"))
        )


def test_editors_and_mypy_know_the_keywords(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        'import earmark\nearmark.train("a", "b", recipe="fast", group="speaker", lr=1e-3)\n'
        'earmark.train("a", "b", epohcs=3)\nearmark.train("a", "b", lr="high")\nearmark.scan("a", recipe="fast")\n'
        'earmark.evaluate("m", "d", split="all").metrics["accuracy"]\n'
    )
    found = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", tmp_path / "cache", script],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    errors = [
        line.partition("script.py:")[2]
        for line in found.stdout.splitlines()
        if "script.py" in line and " error: " in line
    ]
    assert [line.split(":")[0] for line in errors] == ["3", "4", "5"], found.stdout
    assert 'Unexpected keyword argument "epohcs"' in errors[0] and 'expected "float"' in errors[1]
