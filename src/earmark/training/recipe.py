"""Training settings: named recipes as TOML, each setting with its allowed range.

A recipe is a tier, what time it may take (`TIERS`), and a kind, what sound it is for (`KINDS`): ``fast+speech``. The kind's file
has the settings that are the same in every tier, then a table for each tier whose settings differ.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from earmark.data.conditions import are_conditions
from earmark.errors import SettingsError
from earmark.support.keywords import nearest
from earmark.training.options import AUTO
from earmark.training.settings import Recipe, unknown

TIERS = ("fast", "balanced", "best")
KINDS = ("general", "speech", "machine")
MINIMUMS = ("epochs_a_label", "min_steps")
"""What makes a run longer than its ``epochs``."""
DETECTOR, FINETUNE = "anomaly", "finetune"
"""The recipes of anomaly detectors, and of going on from a trained model."""
_TIER, _KIND = "balanced", "general"  # where a name has only the other
_SPOKEN = frozenset(
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go", "forward", "backward", "follow", "learn", "visual",
        "neutral", "calm", "happy", "happiness", "sad", "sadness", "angry", "anger", "fearful", "fear", "disgust", "disgusted",
        "surprised", "surprise", "boredom", "bored", "contempt",
    ]
)  # fmt: skip
_SPEECH_LAYOUTS = frozenset(["speech-commands", "fsdd", "audiomnist", "ravdess", "emodb"])


def names() -> list[str]:
    """Names of the recipes that come with Earmark."""
    return sorted(
        p.name.removesuffix(".toml")
        for p in resources.files("earmark.training.recipes").iterdir()
        if p.name.endswith(".toml")
    )


def suited(labels: Iterable[str], layout: str = "") -> tuple[str, str]:
    """Kind of recipe that suits a data set of these labels, lying in this layout of `earmark.data.layouts`, and why."""
    words = {label.casefold() for label in labels}
    if are_conditions(labels):
        return "machine", f"the labels are conditions of machines ({', '.join(sorted(labels))})"
    if layout in _SPEECH_LAYOUTS:
        return "speech", f"{layout} is speech"
    if len(words) > 2 and words <= _SPOKEN:
        return "speech", f"the labels are spoken words or emotions ({', '.join(sorted(labels)[:3])} ...)"
    return _KIND, "sounds of any kind"


def resolved(name: str, labels: Iterable[str], layout: str = "") -> tuple[str, str]:
    """Full name of a recipe, its tier and its kind, and why that kind where the name has none."""
    if name == AUTO or name in TIERS:
        kind, why = suited(labels, layout)
        return f"{_TIER if name == AUTO else name}+{kind}", why
    return f"{_TIER}+{name}" if name in KINDS else name, ""


def named(name: str) -> set[str]:
    """Settings that a recipe names; the others are at their defaults."""
    return set(_read(name))


def given(name: str, changes: Iterable[str] = ()) -> set[str]:
    """Settings that the user set: by ``key=value`` changes, or in a .toml file of their own; a shipped recipe's are defaults."""
    changed = {change.partition("=")[0].strip() for change in changes}
    return changed | (named(name) if name.endswith(".toml") else set())


def load(name: str = AUTO, changes: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply ``key=value`` changes.

    What the user sets is what runs: where ``epochs`` is set, by a change or in the user's own file, ``epochs_a_label`` and
    ``min_steps`` are 0 unless they are set too.

    Parameters
    ----------
    name : str
        One of `names`, a tier and a kind joined by ``+``, or a path to a TOML file, of which settings that it does not name are at
        their defaults. A tier alone is for any sound, a kind alone balanced; ``auto``, where nothing is known of the data, is both.
    changes : iterable of str
        As the keyword ``settings`` takes them.

    Raises
    ------
    SettingsError
        For an unknown recipe or key, or a value of the wrong type or out of range.
    """
    changes = list(changes)
    values, own_settings = _read(name), given(name, changes)
    if own := [key for key in values if key in TIERS]:
        raise SettingsError(
            f"{name}: [{own[0]}] is for the recipes that come with Earmark; name its settings by themselves"
        )
    fields = {f.name: f for f in dataclasses.fields(Recipe)}
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise SettingsError(f"setting {change!r} has no value; write key=value")
        values[key.strip()] = text.strip()
    for key, value in values.items():
        if key not in fields:
            raise unknown(key, fields)
        values[key] = _typed(key, value, type(fields[key].default))
    if "level_range_db" not in own_settings and not _has_levels(values):
        values.pop("level_range_db", None)  # the recipe's, which does not go with the features that are asked for
    if "epochs" in own_settings:
        values |= {minimum: 0 for minimum in MINIMUMS if minimum not in own_settings}
    return Recipe(**values)


def _has_levels(values: dict[str, Any]) -> bool:
    """Whether the features are ones whose level can be taken out."""
    return values.get("features", "mel") in ("mel", "stft") and values.get("scale", "log") == "log"


def _read(name: str) -> dict[str, Any]:
    try:
        if name.endswith(".toml"):
            return tomllib.loads(Path(name).read_text(encoding="utf-8"))
        tier, kind = _parts(name)
        values = _shipped(tier)
        if kind:
            of_kind = _shipped(kind)
            of_tier = {t: of_kind.pop(t, {}) for t in TIERS}[tier]
            values |= of_kind | of_tier
        return values
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror}; check the path") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: is not valid TOML: {error}; correct it") from error


def _parts(name: str) -> tuple[str, str]:
    """Tier and kind of a name, or a recipe that stands by itself and nothing."""
    if name == AUTO:
        return _TIER, _KIND
    first, plus, second = name.partition("+")
    if plus and first in TIERS and second in KINDS:
        return first, second
    if plus or name not in names():
        known = [*names(), *(f"{tier}+{kind}" for tier in TIERS for kind in KINDS)]
        raise SettingsError(
            f"unknown recipe {name!r}{nearest(name, known)}; choose one of {', '.join(names())}, one of {', '.join(TIERS)} joined "
            f"to one of {', '.join(KINDS)} by '+', or give the path of a .toml file"
        )
    if name in TIERS:
        return name, _KIND
    return (_TIER, name) if name in KINDS else (name, "")


def _shipped(name: str) -> dict[str, Any]:
    return tomllib.loads(
        resources.files("earmark.training.recipes").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    )


def _typed(key: str, value: Any, kind: type) -> Any:
    try:
        if isinstance(value, list) and kind is str:
            return ",".join(str(v) for v in value)
        if isinstance(value, bool) or (kind is int and isinstance(value, float)):
            raise ValueError
        return kind(value)
    except (TypeError, ValueError) as error:
        expected = {int: "a whole number", float: "a number", str: "a word"}[kind]
        raise SettingsError(f"setting {key} is {value!r}; give {expected}") from error
