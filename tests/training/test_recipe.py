from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from earmark.errors import SettingsError
from earmark.training import recipe


@pytest.mark.parametrize("name", recipe.names())
def test_recipes_load(name: str) -> None:
    assert recipe.load(name).network == {"notebook": "plain", "anomaly": "bands"}.get(name, "resnet")


def test_changes_are_typed() -> None:
    changed = recipe.load("balanced", ["epochs=7", "lr = 1e-4", "network=plain"])
    assert (changed.epochs, changed.lr, changed.network) == (7, 1e-4, "plain")
    assert dataclasses.replace(changed, epochs=1).epochs == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("epoch=3", "unknown setting 'epoch' .did you mean 'epochs'..; earmark.settings lists"),
        ("epochs", "setting 'epochs' has no value; write key=value"),
        ("epochs=3.5", "setting epochs is '3.5'; give a whole number"),
        ("lr=fast", "setting lr is 'fast'; give a number"),
        ("epochs=0", "setting epochs is 0; the allowed range is 1 to 100000"),
        ("short_clip=drop", "setting short_clip is 'drop'; choose one of pad, repeat"),
        ("sampler=balanced class_weights=balanced", "sampler and class_weights both balance"),
        ("lr=nan", "setting lr is nan; the allowed range"),
    ],
)
def test_wrong_changes(change: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        recipe.load("balanced", change.split())


def test_lists_become_words_with_commas(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('features = ["mfcc", "chroma"]\n')
    assert recipe.load(str(own)).features == "mfcc,chroma"
    own.write_text('features = ["mel"]\nlevel_range_db = 35\n')
    assert recipe.load(str(own)).level_range_db == 35
    own.write_text('scale = "pcen"\nlevel_range_db = 35\n')
    assert recipe.load(str(own)).level_range_db == 35  # to be refused by name
    own.write_text("lr = 0.1\n[fast]\nlr = 0.2\n")
    with pytest.raises(SettingsError, match=r"own.toml: \[fast\] is for the recipes that come with Earmark"):
        recipe.load(str(own))


def test_own_recipe(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 3\nfmin = 20\n")
    assert recipe.load(str(path)).fmin == 20.0
    path.write_text("epochs = true\n")
    with pytest.raises(SettingsError, match="setting epochs is True"):
        recipe.load(str(path))
    path.write_text("epochs = = 3")
    with pytest.raises(SettingsError, match="not valid TOML"):
        recipe.load(str(path))
    with pytest.raises(SettingsError, match="cannot be read"):
        recipe.load(str(tmp_path / "none.toml"))
    with pytest.raises(SettingsError, match="unknown recipe 'other'; choose one of anomaly, balanced"):
        recipe.load("other")
    with pytest.raises(SettingsError, match="setting teachers is 2; with scale=pcen-trained each has"):
        recipe.load("fast", ["teachers=2", "scale=pcen-trained"])


def test_a_tier_and_a_kind_make_a_recipe(tmp_path: Path) -> None:
    assert recipe.load() == recipe.load("balanced") == recipe.load("general") == recipe.load("balanced+general")
    assert recipe.load("speech") == recipe.load("balanced+speech")
    assert recipe.load("fast") == recipe.load("fast+general") != recipe.load("balanced")
    assert recipe.load("fast+machine").crop_seconds == recipe.load("best+machine").crop_seconds == 0
    for wrong in ("fast+best", "speech+fast", "notebook+speech", "fast+", "+speech"):
        with pytest.raises(SettingsError, match="unknown recipe"):
            recipe.load(wrong)


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["normal", "abnormal"], "machine"),
        (["yes", "No", "stop"], "speech"),
        (["0", "1", "7"], "general"),  # numbers may stand for anything
        (["yes", "no"], "general"),  # and so may these
        (["angry", "calm", "happy"], "speech"),
        (["dog", "yes"], "general"),
        (["normal", "calm"], "general"),
    ],
)
def test_the_kind_is_told_by_the_labels(labels: list[str], kind: str) -> None:
    assert recipe.suited(labels)[0] == kind
    assert recipe.resolved("auto", labels)[0] == f"balanced+{kind}"
    assert recipe.resolved("best", labels)[0] == f"best+{kind}"
    assert recipe.resolved("machine", labels)[0] == "balanced+machine"
    for name in ("fast+general", "notebook", "my.toml"):
        assert recipe.resolved(name, labels) == (name, "")


def test_the_kind_is_told_by_the_layout_first() -> None:
    assert recipe.suited(["0", "1", "7"], "fsdd") == ("speech", "fsdd is speech")
    assert recipe.suited(["bed", "cat", "wow"], "speech-commands")[0] == "speech"
    assert recipe.suited(["dog", "rain"], "esc50")[0] == "general"


def test_levels_are_taken_out_where_the_features_have_some() -> None:
    assert recipe.load("speech").level_range_db > 0
    for change in ("features=mfcc,chroma", "scale=pcen"):
        assert recipe.load("speech", [change]).level_range_db == 0
        assert (
            recipe.load("speech", [change, "level_range_db=30"]).level_range_db == 30
        )  # which the front end refuses by name
