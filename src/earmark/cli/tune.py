"""``earmark tune``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earmark.cli import options as o
from earmark.support.keywords import described
from earmark.workflow.calls import TuneCall

if TYPE_CHECKING:
    from earmark.workflow.tuning import Tuned

_NOT_AGAIN = ("data", "out", "trials", "search", "recipe", "settings", "resume", "overwrite", "device", "strict")


@o.taking(TuneCall)
def tune(**given: Any) -> None:
    """Search for settings that suit your recordings."""
    import earmark

    o.talk()
    _show(earmark.tune(**given), given)


def _show(found: Tuned, given: dict[str, Any]) -> None:
    """What was found, and the command that trains with it on the same split; another test part may have been searched on."""
    import shlex

    was = "-" if found.first is None else f"{found.first:.4f}"
    said = ", ".join(f"{name} {value:.3g}" for name, value in found.best.items())
    print(f"best      {found.score:.4f} of {found.trials} trials (the recipe as it was: {was}): {said}")
    print(f"recipe    {found.path / 'tuned.toml'}")
    again = ["earmark", "train", str(given["data"]), "--recipe", str(found.path / "tuned.toml"), *_same(given)]
    print(f"try       {shlex.join([*again, '--out', f'{found.path}_model'])}")


def _same(given: dict[str, Any]) -> list[str]:
    """The options that were given and say what the split is."""
    words: list[str] = []
    for name, (field, said) in described(TuneCall).items():
        value = given[name]
        if name in _NOT_AGAIN or value in (field.default, ""):
            continue
        flag = said.flag or "--" + name.replace("_", "-")
        words += [flag] if value is True else [flag, str(value)]
    return words
