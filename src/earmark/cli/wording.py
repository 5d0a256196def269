"""What the library says of keywords, said of options: ``overwrite=True`` becomes ``--overwrite``.

The library speaks Python. A keyword is named with a value: ``seed=N``, ``split='all'``; settings become ``--set lr=0.01``.
"""

from __future__ import annotations

import ast
import dataclasses
import logging
import re
import shlex
from functools import cache

from earmark.support.keywords import described

_KEYWORD = re.compile(r"""(?<![\w/.\\-])([a-z][a-z_]*)=(r?'[^']*'|r?"[^"]*"|[\w.+%/<>-]*[\w%>])""")
_LINE = re.compile(r"^( *)(earmark\.[a-z]+\(.*\))(?=   #|$)", re.MULTILINE)
_SUBJECT = re.compile(r"(^|: )([a-z][a-z_]*) is ")
_CALL = re.compile(r"\bearmark\.([a-z]+)\b(?!\.)")


class Formatter(logging.Formatter):
    """Says remarks of the library as the command line says them."""

    def format(self, record: logging.LogRecord) -> str:
        return for_shell(super().format(record))


def for_shell(text: str) -> str:
    """A message with options instead of keywords, and commands instead of functions."""
    text = _LINE.sub(_command, text)
    text = _KEYWORD.sub(_option, text)
    text = _SUBJECT.sub(_subject, text)
    return _CALL.sub(lambda found: f"earmark {found[1]}" if found[1] in _verbs() else found[0], text)


def _command(found: re.Match[str]) -> str:
    """A call on a line of its own as a command."""
    call = ast.parse(found[2], mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
    words = [shlex.quote(str(ast.literal_eval(x))) for x in call.args]
    options = [f"{_flags()[str(k.arg)]} {shlex.quote(str(ast.literal_eval(k.value)))}" for k in call.keywords]
    return f"{found[1]}{shlex.join(['earmark', call.func.attr])} {' '.join([*words, *options])}"


def _option(found: re.Match[str]) -> str:
    name, value = found[1], found[2]
    if name in _settings():
        return f"--set {name}={value}"
    if name not in _flags():
        return found[0]
    if value == "True":
        return _flags()[name]
    if value[0] in "r'\"" and value[-1] in "'\"":
        value = shlex.quote(value.lstrip("r")[1:-1])
    return f"{_flags()[name]} {value}"


def _subject(found: re.Match[str]) -> str:
    return f"{found[1]}{_flags()[found[2]]} is " if found[2] in _flags() else found[0]


@cache
def _flags() -> dict[str, str]:
    """The option of each keyword of any verb."""
    from earmark.data.options import ScanCall
    from earmark.figures.options import SpectrogramCall
    from earmark.workflow import calls

    every = (
        SpectrogramCall,
        ScanCall,
        calls.TrainCall,
        calls.CrossvalCall,
        calls.TuneCall,
        calls.EvaluateCall,
        calls.AdaptCall,
    )
    found = {
        name: said.flag or "--" + name.replace("_", "-") for c in every for name, (_, said) in described(c).items()
    }
    return {name: flag for name, flag in found.items() if name not in ("data", "model", "paths")}


@cache
def _settings() -> set[str]:
    from earmark.training.settings import Recipe

    return {f.name for f in dataclasses.fields(Recipe)}


def _verbs() -> tuple[str, ...]:
    return (
        "adapt",
        "crossval",
        "datasets",
        "doctor",
        "evaluate",
        "predict",
        "scan",
        "settings",
        "spectrogram",
        "train",
        "tune",
    )
