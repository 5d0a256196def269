"""Keywords of public functions: fields of a dataclass, defined once for Python and for the command line."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import inspect
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeAlias, TypeVar

from earmark.errors import SettingsError

P = ParamSpec("P")
C = TypeVar("C")
R = TypeVar("R")

StrPath: TypeAlias = str | os.PathLike[str]

DATA, SPLIT, TRAINING, MACHINES, OUTPUT = "Data", "Split", "Training", "Machines", "Output"
"""Groups of options, in the order in which help shows them."""
_META = "option"


@dataclass(frozen=True)
class Option:
    """What is said of a keyword besides its name, its type and its default.

    Attributes
    ----------
    help : str
        One or two sentences; the first is an imperative or a noun.
    group : str
        Under which heading it stands; empty for arguments that are given by position.
    repeated : bool
        Whether the command line takes it several times.
    flag : str
        Its name on the command line, where that is not the keyword's own with hyphens.
    """

    help: str
    group: str = ""
    repeated: bool = False
    flag: str = ""


def option(help: str, group: str = "", *, repeated: bool = False, flag: str = "") -> dict[str, Option]:
    """Metadata of a dataclass's field, by which it becomes a keyword and an option; without a group it is given by position."""
    return {_META: Option(help, group, repeated, flag)}


def described(call: type[Any]) -> dict[str, tuple[dataclasses.Field[Any], Option]]:
    """Each keyword of a call with what is said of it: arguments first, then group by group, its own before inherited ones."""
    groups = ("", DATA, SPLIT, TRAINING, MACHINES, OUTPUT)
    fields = {f.name: f for f in dataclasses.fields(call) if _META in f.metadata}
    names = dict.fromkeys(name for c in call.__mro__ for name in vars(c).get("__annotations__", ()) if name in fields)
    found = [(fields[name], fields[name].metadata[_META]) for name in names]
    return {f.name: (f, said) for f, said in sorted(found, key=lambda pair: groups.index(pair[1].group))}


def flat(keywords: Callable[P, C], made: type[Any] | None = None) -> Callable[[Callable[[C], R]], Callable[P, R]]:
    """Turn a function of a call into one of its keywords, with the signature of the call's class.

    Parameters
    ----------
    keywords : class
        A dataclass, whose constructor's parameters become the function's.
    made : class, optional
        What the function is given, where ``keywords`` adds settings to it: these are handed over in its field ``settings``, as
        ``key=value``, so that what was given can be told from defaults.

    Raises
    ------
    SettingsError
        By the function that is made: for a keyword that it does not have, with the nearest one that it has.
    """
    whole: Any = keywords
    call: Any = made or keywords
    own = {f.name for f in dataclasses.fields(call)}
    names = [f.name for f in dataclasses.fields(whole)]
    lists = {f.name for f in dataclasses.fields(call) if f.type == "Sequence[str]"}
    positional = [f.name for f in dataclasses.fields(call) if not f.kw_only]

    def decorated(function: Callable[[C], R]) -> Callable[P, R]:
        @functools.wraps(function)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            if len(args) > len(positional):
                raise TypeError(
                    f"{function.__name__}() takes {len(positional)} arguments by position, {', '.join(positional)}; name the others"
                )
            given: dict[str, Any] = {**dict(zip(positional, args, strict=False)), **kwargs}
            for name in given:
                if name not in names:
                    raise SettingsError(f"earmark.{function.__name__} has no option {name!r}{nearest(name, names)}")
            missing = [name for name in positional if name not in given]
            if missing:
                raise TypeError(f"{function.__name__}() needs {' and '.join(missing)}")
            for name in lists & {n for n, value in given.items() if isinstance(value, str)}:
                given[name] = tuple(x.strip() for x in given[name].split(",") if x.strip())
            settings = [f"{name}={_written(given.pop(name))}" for name in list(given) if name not in own]
            if settings:
                given["settings"] = (*given.get("settings", ()), *settings)
            return function(call(**given))

        called.__signature__ = _signature(whole, call, function)  # type: ignore[attr-defined]
        called.__doc__ = _documented(function.__doc__ or "", call)
        return called

    return decorated


def nearest(name: str, names: Iterable[str]) -> str:
    """A hint on what may be meant by a name; empty where nothing is near."""
    found = difflib.get_close_matches(name, list(names), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


class _ByRecipe:
    """The default of a setting, in a signature."""

    def __repr__(self) -> str:
        return "<by the recipe>"


def _signature(whole: Any, call: Any, function: Callable[..., Any]) -> inspect.Signature:
    """The parameters of the class's constructor, with the function's result; settings have the recipe's value."""
    ours = {f.name for f in dataclasses.fields(call)}
    parameters = [
        p if p.name in ours else p.replace(default=_ByRecipe()) for p in inspect.signature(whole).parameters.values()
    ]
    return inspect.Signature(parameters, return_annotation=inspect.signature(function).return_annotation)


def _documented(text: str, call: Any) -> str:
    """The docstring with the parameters, before its other sections."""
    text = inspect.cleandoc(text)
    rows = []
    for name, (field_, said) in sorted(described(call).items(), key=lambda pair: pair[1][0].kw_only is not False):
        kind = str(field_.type).replace("StrPath", "path").replace("Sequence[str]", "sequence of str")
        kind = kind.replace("path | Sequence[path]", "path or sequence of path").replace(
            "tuple[int, int]", "(int, int)"
        )
        default = "" if field_.default in (dataclasses.MISSING, None) else f", default {field_.default!r}"
        rows.append(f"{name} : {kind.replace(' | None', ', optional')}{default}\n    {said.help}")
    if any(f.name == "settings" for f in dataclasses.fields(call)):
        rows.append("**settings\n    Any setting of the recipe, such as ``lr=0.001``; ``earmark settings`` lists them.")
    head, mark, rest = text.partition("\n\nReturns\n")
    return f"{head}\n\nParameters\n----------\n" + "\n".join(rows) + mark + rest


def _written(value: Any) -> str:
    """A setting's value as ``key=value`` writes it."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
