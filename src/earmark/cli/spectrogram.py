"""``earmark spectrogram``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options as o


def spectrogram(
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.", show_default=False)],
    *,
    out: Annotated[
        Path, typer.Option(help="Folder that takes the images, in the folders of the recordings.", show_default=False)
    ],
    recipe: Annotated[
        str, typer.Option(help="Whose front end: a recipe's name, or the path of a .toml file. auto: balanced+general.")
    ] = "auto",
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting of the front end: features=mfcc, n_mels=128, scale=pcen ...; repeatable.",
            show_default=False,
        ),
    ] = None,
    sample_rate: Annotated[int, typer.Option(help="In Hz; 0: the commonest of the recordings, at most 32000.")] = 0,
    channel: Annotated[
        int | None, typer.Option(help="Channel to take, from 0. Default: the mean of all.", show_default=False)
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(help="HxW in pixels, e.g. 224x224; one pixel a row and frame otherwise.", show_default=False),
    ] = None,
    colors: Annotated[
        str,
        typer.Option(
            help="magma, viridis, cividis or another colour map of matplotlib; gray: 8 bits of grey; gray16: 16 bits, from which "
            "earmark.figures.images.read gives the values back."
        ),
    ] = "magma",
    range_db: Annotated[
        float, typer.Option("--range", help="Decibels under the image's peak that are darkest.")
    ] = 80.0,
    figure: Annotated[bool, typer.Option("--figure", help="Draw axes and a colour bar, for people.")] = False,
    dark: Annotated[bool, typer.Option("--dark", help="Figures on a dark ground.")] = False,
    workers: Annotated[
        int, typer.Option(help="Processes; 0: as many as there are cores, if there is enough to do.")
    ] = 0,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make all images anew, and replace PNG files of others.")
    ] = False,
    json: o.Json = False,
) -> None:
    """Write an image of each recording.

    Images that are there already, made of the same recording with the same options, are left as they are. Of recordings that
    differ in their extension alone, the image's name keeps the extension: a.wav.png, a.flac.png.
    """
    import sys

    from earmark.errors import require

    require("PIL", extra="train")
    from earmark.figures.images import ImageOptions, write

    done = write(
        paths,
        out,
        options=ImageOptions(
            recipe=recipe,
            settings=tuple(settings or ()),
            sample_rate=sample_rate,
            channel=channel,
            size=None if size is None else _size(size),
            colors=colors,
            range_db=range_db,
            figure=figure,
            dark=dark,
        ),
        overwrite=overwrite,
        workers=workers,
    )
    for _, error in done.failed:
        print(f"earmark: {error}", file=sys.stderr)
    if json:
        o.show_json(done.to_dict())
    else:
        print(
            f"images    {len(done.written)} written, {len(done.skipped)} there already, {len(done.failed)} failed: {out}"
        )
        print(f"rate      {done.sample_rate} Hz, a frame every {1000 * done.hop_seconds:g} ms")
        if done.with_extension:
            print(
                f"names     {done.with_extension} keep their recording's extension, since two would be the same without it"
            )
    o.exit_for(len(done.failed))


def _size(text: str) -> tuple[int, int]:
    """What ``--size`` says."""
    from earmark.errors import SettingsError

    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise SettingsError(f"size is {text!r}; write height x width in pixels, e.g. --size 224x224")
    return int(height), int(width)
