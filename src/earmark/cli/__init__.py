"""The command line: it parses, the library raises, and only the command line exits.

In: arguments. Out: text or one JSON document on standard output, progress and notes on standard error, an exit code.
Imports: any room, inside the command, so that ``--help`` is quick; each verb has a file of its own.
"""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Callable
from typing import Annotated

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
    settings,
    spectrogram,
    train,
    tune,
    wording,
)
from earmark.errors import EarmarkError, Interrupted

app = typer.Typer(
    name="earmark",
    help="Turn a folder of labelled recordings into a sound classifier that you can trust and ship.",
    epilog="Start with: earmark demo. With --debug, any command shows the traceback of an error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_EXAMPLES: dict[Callable[..., None], str] = {
    demo.demo: "earmark demo --out demo",
    scan.scan: "earmark scan recordings\n\nearmark scan recordings --group-pattern '[a-z]+_' --out scan.csv",
    train.train: "earmark train recordings --out model\n\nearmark train recordings --out model --recipe fast --group speaker\n\n"
    "earmark train machines --per machine,id --task anomaly --out detector\n\nearmark train more --from model --out better",
    crossval.crossval: "earmark crossval recordings --out cv\n\nearmark crossval recordings --out cv --folds 5 --show-leak",
    evaluate.evaluate: "earmark evaluate model new_recordings\n\nearmark evaluate model new_recordings --out figures",
    predict.predict: "earmark predict model recording.wav\n\nearmark predict model folder --json",
    adapt.adapt: "earmark adapt detector few_normal_clips --machine fan/id_00 --out adapted",
    tune.tune: "earmark tune recordings --out tuned --trials 20",
    spectrogram.spectrogram: "earmark spectrogram recordings --out images\n\n"
    "earmark spectrogram recordings --out images --size 224x224",
    settings.settings: "earmark settings\n\nearmark settings mixup\n\nearmark settings --recipe best+speech",
    doctor.doctor: "earmark doctor",
}  # fmt: skip
for _command, _examples in _EXAMPLES.items():
    app.command(epilog=f"[bold]Examples[/bold]\n\n{_examples}")(_command)
app.add_typer(datasets.datasets, name="datasets")
app.add_typer(cache.cache, name="cache")


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"earmark {version('earmark')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Turn a folder of labelled recordings into a sound classifier that you can trust and ship."""


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
        print(f"earmark: {wording.for_shell(str(error))}", file=sys.stderr)
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
