"""Write the pages of the reference from the code, so that they cannot go stale.

Sphinx calls `setup`; ``python docs/_ext/generate.py`` writes the same pages, and ``tests/test_reference.py`` reads them.
"""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import earmark

REFERENCE = Path(__file__).parents[1] / "reference"
GENERATED = "<!-- made by docs/_ext/generate.py: change the code instead -->"
_VALUES = {"Path": "PATH", "str": "TEXT", "int": "N", "float": "X"}
_MOST_KEYWORDS = 4  # of a signature that is shown whole; the parameters are listed below it anyway


def pages() -> dict[str, str]:
    """The text of each page, by the name of its file."""
    made: Mapping[str, Callable[[], str]] = {
        "command_line.md": command_line, "settings.md": settings, "api.md": api, "bundle.md": bundle, "formats.md": formats,
    }  # fmt: skip
    return {name: f"{page().strip()}\n\n{GENERATED}\n" for name, page in made.items()}


def write(folder: Path = REFERENCE) -> None:
    """Write the pages; files that are up to date stay untouched, so that Sphinx does not read them again."""
    for name, text in pages().items():
        place = folder / name
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            place.write_text(text, encoding="utf-8", newline="\n")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "reference"))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


# Markdown


def plain(text: str) -> str:
    """Text whose marks mean nothing in Markdown, but for code spans; docstrings' own code spans become Markdown's."""
    text = re.sub(r"``([^`]+)``", r"`\1`", " ".join(text.split()))
    parts = re.split(r"(`[^`]*`)", text)
    escaped = [p.replace("|", r"\|") if p[:1] == "`" else re.sub(r"([\\*_<>|\[\]~$])", r"\\\1", p) for p in parts]
    return "".join(escaped)


def code(value: object) -> str:
    """A code span; nothing for nothing."""
    return f"`{value}`".replace("|", r"\|") if str(value) else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def described(thing: Any) -> Any:
    """The sections of a docstring in numpydoc's format."""
    from numpydoc.docscrape import NumpyDocString

    return NumpyDocString(inspect.getdoc(thing) or "")


# The command line


def command_line() -> str:
    """Every command with its arguments, and its options by group."""
    commands = dict(tree())
    summary = table(
        ("command", "what it does"),
        [(f"[`{name}`](#{name.replace(' ', '-')})", plain(first(command.help))) for name, command in commands.items()],
    )
    head = f"""# Command line

{summary}

These options go with every command:

| option | meaning |
|---|---|
| `--help`, `-h` | Show the arguments and options of the command. |
| `--debug` | Show the traceback of an error. |

`earmark --version` prints the version. For completion in your shell, run:

```sh
earmark --install-completion
```

| exit code | meaning |
|---|---|
| 0 | Everything is done. |
| 1 | It is done, but some inputs failed. Each of them is named. |
| 2 | The call or the data was wrong. Nothing was written. |
| 130 | You interrupted it. |

With `--json`, standard output has one JSON document and nothing else. Progress and notes go to standard error.
"""
    return "\n".join([head, *(section(name, command) for name, command in commands.items())])


def tree() -> list[tuple[str, Any]]:
    """Each command by its full name, such as ``earmark datasets list``."""
    from typer.core import TyperGroup
    from typer.main import get_command

    from earmark.cli import app

    found: list[tuple[str, Any]] = []

    def collect(name: str, command: Any) -> None:
        if isinstance(command, TyperGroup):
            for inner, one in command.commands.items():
                collect(f"{name} {inner}", one)
        else:
            found.append((name, command))

    collect("earmark", get_command(app))
    return found


def first(text: str | None) -> str:
    """The first paragraph."""
    return inspect.cleandoc(text or "").split("\n\n")[0]


def section(name: str, command: Any) -> str:
    """One command: summary, usage, arguments, options by group, examples."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and not p.hidden]
    needed = [f"{p.opts[0]} {value(p)}" for p in options if p.required]
    usage = " ".join([name, *map(metavar, arguments), *needed, *(["[OPTIONS]"] if len(options) > len(needed) else [])])
    parts = [f"## {name}", "\n\n".join(map(plain, inspect.cleandoc(command.help or "").split("\n\n"))), sh(usage)]
    if arguments:
        parts.append(table(("argument", "meaning"), [(code(metavar(p)), meaning(p)) for p in arguments]))
    for group in dict.fromkeys(p.rich_help_panel or "Options" for p in options):
        rows = [(spelled(p), meaning(p)) for p in options if (p.rich_help_panel or "Options") == group]
        parts.append(table((f"{group.lower()} option" if group != "Options" else "option", "meaning"), rows))
    examples = (command.epilog or "").split("\n\n")[1:]  # the first paragraph is their heading
    parts += [sh("\n".join(examples))] if examples else []
    return "\n\n".join(parts) + "\n"


def sh(text: str) -> str:
    """Lines for a shell; the tests do not run them."""
    return f"```sh\n{text}\n```"


def metavar(argument: Any) -> str:
    """An argument as usage shows it."""
    name = argument.metavar or argument.name.upper()
    name = f"{name}..." if argument.nargs == -1 else name
    return name if argument.required else f"[{name}]"


def value(option: Any) -> str:
    """What follows an option; nothing after a switch."""
    if option.is_flag:
        return ""
    annotation = getattr(option.type_descriptor, "annotation", str)
    inner = [t for t in getattr(annotation, "__args__", (annotation,)) if t is not type(None)]
    return _VALUES.get(getattr(inner[0], "__name__", ""), "TEXT")


def spelled(option: Any) -> str:
    """An option's names, and what follows it."""
    return ", ".join(code(f"{name} {value(option)}".strip()) for name in [*option.opts, *option.secondary_opts])


def meaning(parameter: Any) -> str:
    """Help of an argument or option, with its default."""
    text = plain((parameter.help or "").replace(r"\[", "["))
    default = parameter.default
    if parameter.required:
        return text if parameter.param_type_name == "argument" else f"{text} Required."
    unset = default is None or default is False or default in ("", (), []) or callable(default)
    return text if unset or not parameter.show_default else f"{text} Default: {code(default)}."


# Settings


def settings() -> str:
    """Every setting, and its value in each recipe."""
    from earmark.training import recipe as recipes
    from earmark.training.settings import settings as every

    found = every()
    parts = [
        f"""# Settings

A setting is one number or word of a recipe. `earmark settings NAME` explains one of them.

| you use | how to change a setting |
|---|---|
| the command line | `--set NAME=VALUE`, as often as you like |
| Python | a keyword: `earmark.train("recordings", "model", lr=1e-3)` |
| a file of your own | {code("--recipe mine.toml")}, with a line `NAME = VALUE` for each setting |

Zero often means that the value follows from the data. The text of the setting says so.
"""
    ]
    for group in dict.fromkeys(s.group for s in found):
        title, _, note = group.partition(": ")
        rows = [(code(s.name), plain(s.allowed), code(s.default), plain(s.about)) for s in found if s.group == group]
        parts.append(f"## {title}\n")
        parts += [f"{plain(note[:1].upper() + note[1:])}.\n"] if note else []
        parts.append(table(("setting", "allowed", "default", "meaning"), rows) + "\n")
    parts.append(
        """## Values in each recipe

A recipe has a tier, which sets the time, and a kind, which suits the sound. `fast+speech` names both.
A tier alone takes the kind that suits the labels. A kind alone is `balanced`.
The tables list settings that differ from their defaults in one recipe or more.
"""
    )
    by_kind = {kind: [f"{tier}+{kind}" for tier in recipes.TIERS] for kind in recipes.KINDS}
    others = [name for name in recipes.names() if name not in (*recipes.TIERS, *recipes.KINDS)]
    for title, names in {**by_kind, "other recipes": others}.items():
        values = {name: recipes.load(name).to_dict() for name in names}
        differ = [s.name for s in found if any(v[s.name] != s.default for v in values.values())]
        lines = [(code(setting), *(code(v[setting]) for v in values.values())) for setting in differ]
        parts.append(f"### {title[:1].upper() + title[1:]}\n")
        parts.append(table(("setting", *map(code, names)), lines) + "\n")
    return "\n".join(parts)


# Python


def api() -> str:
    """Every public name of the package, by what it is."""
    names = {name: getattr(earmark, name) for name in earmark.__all__}
    errors = [n for n, x in names.items() if inspect.isclass(x) and issubclass(x, Exception)]
    classes = [n for n, x in names.items() if inspect.isclass(x) and n not in errors]
    functions = [n for n in names if n not in errors and n not in classes]
    parts = [
        """# Python

Everything here is in the package `earmark`. Names that are not here may change without notice.
Functions have the names of their commands, and options are keywords: `--group-pattern` is `group_pattern`.
"""
    ]
    sections = (
        ("Functions", functions, "autofunction", "what it does"),
        ("Results and values", classes, "autoclass", "what it is"),
        ("Errors", errors, "autoexception", "when it is raised"),
    )
    for title, chosen, directive, what in sections:
        rows = [(code(f"earmark.{n}"), plain(" ".join(described(names[n])["Summary"]))) for n in chosen]
        parts += [f"## {title}\n", table(("name", what), rows) + "\n"]
        for name in chosen:
            more = "\n   :members:" if directive == "autoclass" else shown(names[name]) if name in functions else ""
            parts.append(f"```{{eval-rst}}\n.. {directive}:: earmark.{name}{more}\n```\n")
    return "\n".join(parts)


def shown(function: Any) -> str:
    """The signature, without keywords where there are many."""
    parameters = list(inspect.signature(function).parameters.values())
    keywords = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    if len(keywords) <= _MOST_KEYWORDS:
        return ""
    return f"({', '.join([p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] + ['**keywords'])})"


# The bundle


def bundle() -> str:
    """The files of a bundle and the keys of its description."""
    from earmark.bundle.contents import DESCRIPTION, DETECTOR, ONNX, WEIGHTS
    from earmark.bundle.description import ANOMALY, SCHEMA, BundleSpec
    from earmark.training.detectors import describe
    from earmark.workflow.results import PREDICTIONS, REPORT

    files = {
        DESCRIPTION: "the description: labels, front end, windows, metrics, provenance",
        ONNX: "waveform to scores, with the front end inside",
        WEIGHTS: "the weights, for fine-tuning",
        DETECTOR: f"only with the task `{ANOMALY}`: the arrays of the detector",
        "README.md": "the model card: data, protocol, metrics, limits",
        REPORT: "the report: one page that needs nothing else",
        PREDICTIONS: "scores of every test clip",
        "machines.csv": "only with `--per`: metrics of each machine, also as `machines.md`",
        "logs/": "learning curves",
    }
    defaults = {f.name: f.default for f in fields(BundleSpec)}
    rows = [("`schema`", "int", f"Version of the format, now {SCHEMA}. Older versions stay readable.")]
    for name, kind, text in described(BundleSpec)["Attributes"]:
        keys = [key.strip() for key in name.split(",")]
        default = "" if defaults[keys[0]] in (MISSING, "", ()) else f" Default: {code(defaults[keys[0]])}."
        rows.append((", ".join(map(code, keys)), plain(kind), plain(" ".join(text)) + default))
    rows.append(("`files`", "dict", f"SHA-256 of {code(ONNX)} and of the arrays, by name. Loading checks them."))
    returned = " ".join(described(describe)["Returns"][0].desc)
    items = [plain(item.rstrip(",.")) for item in re.split(r" (?:and )?(?=``\w+``)", returned)]
    detector = "\n".join(f"- {item}" for item in [*items, "`frequencies`: centre of each band in Hz"])
    return f"""# Bundle

A bundle is what training makes: a folder, or the same folder as one `.zip`.
Nothing in it is a pickle, and loading it runs no code. Prediction needs neither torch nor librosa.

## Files

{table(("file", "content"), [(code(name), text) for name, text in files.items()])}

`earmark.load` needs {code(DESCRIPTION)}, {code(ONNX)} and, for a detector, {code(DETECTOR)}.

## Keys of {DESCRIPTION}

{table(("key", "type", "meaning"), rows)}

## The key `detector`

Only with the task `{ANOMALY}`:

{detector}

## {ONNX}

| model | inputs | outputs |
|---|---|---|
| classifier | `waveform`: float32, shape (batch, time) | `logits`: (batch, label); `embedding`: (batch, size) |
| anomaly detector | `waveform`: float32, shape (batch, time) | `embedding`: (batch, band); `bands`: (batch, band, frame) |

- `waveform` is mono, at the rate `sample_rate`. Full scale is 1.0.
- The metadata key `earmark` holds the description as JSON. It has no `files`, and its `metrics` are empty.
- [Deploy](../guides/deploy.md) shows how to use the file alone in Python, JavaScript and C++.
"""


# Formats


def formats() -> str:
    """Recordings, tables and layouts that are read."""
    from earmark import audio
    from earmark.data import tables
    from earmark.data.layouts.known import LAYOUTS
    from earmark.data.tables.columns import ALIASES

    decoded = next(p for p in described(audio.decode)["Parameters"] if p.name == "source")
    kinds = next(p for p in described(earmark.AudioError)["Parameters"] if p.name == "kind")
    state = next(p for p in described(earmark.Prediction)["Attributes"] if p.name == "state")
    kinds_of_tables = {"text": tables.TEXT_TABLES, "JSON": tables.JSON_TABLES, "spreadsheet": tables.SPREADSHEETS}
    others = [e for e in tables.EXTENSIONS if not any(e in known for known in kinds_of_tables.values())]
    kinds_of_tables["Parquet"] = tuple(others)
    return f"""# Formats

[Data that Earmark reads](../data.md) explains how labels, tables and label files are found.

## Recordings

The content decides, not the name. Earmark decodes:

{plain(" ".join(decoded.desc))}

Folders are searched for files with these extensions, and for files whose content is a recording:

{" ".join(map(code, sorted(audio.EXTENSIONS)))}

| field | values |
|---|---|
| `AudioError.kind` | {plain(" ".join(kinds.desc))} |
| `Prediction.state` | {plain(" ".join(state.desc))} |

## Tables

{table(("format", "extensions"), [(name, " ".join(map(code, known))) for name, known in kinds_of_tables.items()])}

Names of columns may have any case, blanks and a unit. These names are known:

{table(("column holds", "names"), [(role, " ".join(map(code, names))) for role, names in ALIASES.items()])}

## Layouts

{code("--layout NAME")} chooses one. Without it, the first that fits is taken.

{table(("layout", "what it looks like"), [(code(x.name), plain(x.about)) for x in LAYOUTS])}
"""


if __name__ == "__main__":
    write()
    print(shlex.join(str(REFERENCE / name) for name in pages()))
