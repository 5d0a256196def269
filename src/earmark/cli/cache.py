"""``earmark cache``."""

from __future__ import annotations

from types import ModuleType

import typer

from earmark.cli import options as o

cache = typer.Typer(help="Show or clear the cache of decoded recordings.", no_args_is_help=True)


@cache.command()
def info(*, json: o.Json = False) -> None:
    """Show where the cache lies and how much is in it."""
    store = _store()
    found = store.usage()
    if json:
        o.show_json(
            {"folder": str(found.folder), "recordings": found.recordings, "bytes": found.bytes, "most": found.most}
        )
    else:
        print(f"folder      {found.folder}  (EARMARK_CACHE sets another)")
        print(f"recordings  {found.recordings}")
        print(f"size        {_size(found.bytes)} of {_size(found.most)}  (EARMARK_CACHE_SIZE sets the most)")


@cache.command()
def clear() -> None:
    """Remove everything in the cache."""
    store = _store()
    found = store.clear()
    print(f"removed     {found.recordings} recordings, {_size(found.bytes)}, from {found.folder}")


def _store() -> ModuleType:
    from earmark.errors import require

    require("scipy", extra="train")  # the cache is training's
    from earmark.data import cache as store

    return store


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GB"
