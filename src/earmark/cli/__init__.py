"""The command line: it parses, the library raises, and only the command line exits.

In: arguments. Out: text or one JSON document on standard output, progress and notes on standard error, an exit code.
Imports: any room, inside the command, so that ``--help`` is quick; each verb has a file of its own.
"""

from __future__ import annotations

import io
import sys
import traceback

import typer

from earmark.cli import (
    adapt,
    cache,
    crossval,
    datasets,
    demo,
    doctor,
    evaluate,
    predict,
    scan,
    spectrogram,
    train,
    tune,
)
from earmark.errors import EarmarkError, Interrupted

app = typer.Typer(
    name="earmark",
    help="Turn a folder of labelled recordings into a sound classifier that you can trust and ship.",
    epilog="Start with: earmark demo. With --debug, any command shows the traceback of an error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _command in (
    demo.demo, scan.scan, train.train, crossval.crossval, evaluate.evaluate, predict.predict, adapt.adapt, tune.tune,
    spectrogram.spectrogram, doctor.doctor,
):  # fmt: skip
    app.command()(_command)
app.add_typer(datasets.datasets, name="datasets")
app.add_typer(cache.cache, name="cache")


def main() -> None:
    """Run the command line: exit code 0 all done, 1 some inputs failed, 2 the call or the data was wrong, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    try:
        app([a for a in arguments if a != "--debug"])
    except EarmarkError as error:
        if debug:
            traceback.print_exc()
        print(f"earmark: {error}", file=sys.stderr)
        sys.exit(130 if isinstance(error, Interrupted) else 2)
    except OSError as error:
        # A full disk, a file that another program holds open.
        if debug:
            traceback.print_exc()
        print(
            f"earmark: {error.filename or 'input or output'}: {error.strerror or error}; see to it and try again",
            file=sys.stderr,
        )
        sys.exit(2)
