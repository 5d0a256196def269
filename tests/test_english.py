"""What people read has short sentences and the words of the field: pages, help, settings, messages of errors."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from earmark import errors
from earmark.training.settings import settings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "earmark"
MOST = 30
"""Words of a sentence."""
SHARE = 0.02
"""Of the sentences that may be longer."""
ABBREVIATIONS = frozenset(["e.g.", "i.e.", "etc.", "vs.", "..."])
NOT = (
    r"straddl\w*", r"left aside", r"slips? of", r"not to be (?:told|had)", r"sound machines?", r"settle[sd]?",
    r"(?:go|goes|going|gone) on from", r"roll(?:s|ed|ing)? round", r"(?:networks?|several) side by side", r"several labels",
    r"copy of one sound", r"part that (?:trains|chooses|tests)",
)  # fmt: skip
"""Words that are not Earmark's, as regular expressions; what to say instead is in the style guide."""
CODE = re.compile(r"^ *(```|:::).*?^ *\1 *$|<!--.*?-->", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True)
class Text:
    """A paragraph, a list item, a help text or a message, and where it is."""

    place: str
    words: str
    line: int = 0


@dataclass(frozen=True)
class Sentence:
    """A sentence, and where it begins."""

    place: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place}: {len(self.words)} words: {' '.join(self.words)}"


def sentences(text: Text) -> Iterator[Sentence]:
    """Cut at full stops, question marks, exclamation marks and colons, not at semicolons; fewer than three words are none."""
    found: list[tuple[str, int]] = []
    for number, line in enumerate(text.words.split("\n")):
        for word in line.split():
            found.append((word, number))
            bare = word.rstrip("\"'`)*_")
            if bare.endswith((".", "!", "?", ":")) and bare not in ABBREVIATIONS:
                yield from _sentence(text, found)
                found = []
    yield from _sentence(text, found)


def _sentence(text: Text, found: list[tuple[str, int]]) -> Iterator[Sentence]:
    words = tuple(word for word, _ in found if re.search(r"\w", word))
    if len(words) > 2:
        place = f"{text.place}:{text.line + found[0][1]}" if text.line else text.place
        yield Sentence(place, words)


# Pages


def pages() -> list[Path]:
    """Those that people write."""
    made = {place for place in (ROOT / "docs" / "reference").glob("*.md") if place.name != "index.md"}
    docs = sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts and p not in made)
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *docs]


def prose(page: Path, *, tables: bool = False) -> Iterator[Text]:
    """Paragraphs and list items, without code blocks, headings and targets of links; a code span is one word."""
    text = page.read_text(encoding="utf-8")
    text = CODE.sub(lambda block: "\n" * block[0].count("\n"), text)
    text = LINK.sub(r"\1", re.sub(r"`+[^`\n]+`+", "code", text))
    name, start, block = page.relative_to(ROOT).as_posix(), 0, list[str]()
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        begins = re.match(r" *(?:[-*]|\d+\.) +", line)
        apart = not line.strip() or line.lstrip().startswith("|" if not tables else " ") or line.startswith("#")
        if (apart or begins) and block:
            yield Text(name, "\n".join(block), start)
            block = []
        if not apart:
            start = start if block else number
            block.append(line[begins.end() :] if begins else line)


# Help, settings and messages


def commands() -> Iterator[tuple[str, Any]]:
    """Every command and group of commands, with its name."""
    from typer.core import TyperGroup
    from typer.main import get_command

    from earmark.cli import app

    found: list[tuple[str, Any]] = [("earmark", get_command(app))]
    while found:
        name, command = found.pop()
        yield name, command
        if isinstance(command, TyperGroup):
            found += [(f"{name} {inner}", one) for inner, one in command.commands.items()]


@cache
def help_texts() -> tuple[Text, ...]:
    """Summaries of commands, help of their arguments and options, and what is said of settings; each text once."""
    found: dict[str, str] = {}
    for name, command in commands():
        found.setdefault(command.help or "", f"help of {name}")
        for parameter in command.params:
            text = (getattr(parameter, "help", None) or "").replace(r"\[", "[")
            found.setdefault(text, f"help of {name} {parameter.opts[0]}")
    for setting in settings():
        found.setdefault(setting.about, f"setting {setting.name}")
    return tuple(Text(f"{_written(text)}{place}", text.replace("\n", " ")) for text, place in found.items() if text)


def _written(text: str) -> str:
    """File and line of the source that holds the first words of a text."""
    start = text[:24].split("\n")[0].split('"')[0]
    for place in sorted(SOURCE.rglob("*.py")):
        for number, line in enumerate(place.read_text(encoding="utf-8").split("\n"), start=1):
            if start in line:
                return f"{place.relative_to(ROOT).as_posix()}:{number}: "
    return ""


@cache
def messages() -> tuple[Text, ...]:
    """Text of every exception that the source makes; a field of an f-string is one word."""
    ours = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    found = []
    for place in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(place.read_text(encoding="utf-8"))
        raised = {id(node.exc) for node in ast.walk(tree) if isinstance(node, ast.Raise)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (id(node) in raised or _name(node.func) in ours):
                where = place.relative_to(ROOT).as_posix()
                texts = [(argument.lineno, _text(argument)) for argument in node.args]
                found += [Text(where, text.replace("\n", " "), line) for line, text in texts if " " in text]
    return tuple(found)


def _name(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _text(node: ast.expr) -> str:
    """A message as it may read."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_text, node.values))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left) + _text(node.right)
    if isinstance(node, ast.IfExp):
        return max(_text(node.body), _text(node.orelse), key=len)
    return "X"


def check(texts: Iterable[Text]) -> None:
    """Refuse too many long sentences, and list them."""
    every = [sentence for text in texts for sentence in sentences(text)]
    long = sorted((s for s in every if len(s.words) > MOST), key=lambda s: -len(s.words))
    listed = "\n".join(map(str, long))
    assert len(long) < SHARE * len(every), f"{len(long)} of {len(every)} sentences are too long:\n{listed}"


def test_sentences_of_pages_are_short() -> None:
    check(text for page in pages() for text in prose(page))


def test_sentences_of_help_are_short() -> None:
    check(help_texts())


def test_sentences_of_messages_are_short() -> None:
    check(messages())


@pytest.mark.parametrize("word", NOT)
def test_words_are_the_fields(word: str) -> None:
    read = [text for page in pages() if page.name != "CHANGELOG.md" for text in prose(page, tables=True)]
    pattern = re.compile(rf"\b{word}\b", re.IGNORECASE)
    found = []
    for text in [*read, *help_texts(), *messages()]:
        for match in pattern.finditer(text.words):
            line = f":{text.line + text.words.count(chr(10), 0, match.start())}" if text.line else ""
            found.append(f"{text.place}{line}: {match[0]}")
    assert not found, "\n".join(found)


def test_the_counter_counts() -> None:
    text = Text("page", "One two three: four `five` six.\nSeven e.g. eight, nine? Ten ... eleven; twelve.", 7)
    assert [(s.place, len(s.words)) for s in sentences(text)] == [
        ("page:7", 3),
        ("page:7", 3),
        ("page:8", 4),
        ("page:8", 3),
    ]
    call = ast.parse("f'{where}: is {value!r}; ' + 'give a' + (' number' if x else '')", mode="eval").body
    assert _text(call) == "X: is X; give a number"
