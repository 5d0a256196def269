"""``earmark datasets``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options as o

datasets = typer.Typer(help="List and fetch public data sets.", no_args_is_help=True)


@datasets.command(name="list")
def list_(*, json: o.Json = False) -> None:
    """List the data sets, with size, licence and citation."""
    from earmark.data.public import DATASETS

    if json:
        o.show_json(
            [
                {
                    "name": d.name, "about": d.about, "bytes": d.size, "licence": d.licence, "citation": d.citation,
                    "layout": d.layout, "parts": [a.part for a in d.archives if a.part],
                    "archives": [{"url": a.url, "checksum": a.checksum, "bytes": a.size} for a in d.archives],
                }
                for d in DATASETS
            ]
        )  # fmt: skip
        return
    for d in DATASETS:
        print(f"{d.name:16s} {d.size / 1e9:6.2f} GB  {d.about}")
        print(f"{'':27s} licence {d.licence}; {d.citation}")
        parts = [a.part for a in d.archives if a.part]
        if parts:
            print(f"{'':27s} parts {', '.join(parts)}")


@datasets.command()
def get(
    name: Annotated[str, typer.Argument(help="Name, as earmark datasets list shows it.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Folder to make. Default: the name.", show_default=False)] = None,
    *,
    part: Annotated[
        list[str],
        typer.Option(help="Part to fetch; repeatable. Default: all.", default_factory=list, show_default=False),
    ],
) -> None:
    """Fetch and unpack a data set; the same command continues."""
    from earmark.data import public as public

    place = public.get(name, out or Path(name), parts=part)
    chosen = next(d for d in public.DATASETS if d.name == name)
    print(f"data      {place}\nlicence   {chosen.licence}\ncite      {chosen.citation}")
    print(f"next      earmark scan {place}")
