"""Every exception that Earmark raises on purpose.

::

    EarmarkError             one clear line: what, where, the value, the remedy
    ├── AudioError           one recording cannot be used; ``kind`` says why
    ├── DataError            the data set, its table or its split is wrong
    ├── SettingsError        a recipe or a setting is unknown or out of range
    ├── BundleError          a model bundle is missing, damaged, altered or too new
    ├── OutputError          an output path exists already or cannot be written
    │   └── DiskError        the disk refused what was to be saved: it is full, read-only or not yours; also an OSError
    ├── MissingExtra         an optional package is absent; the message holds the pip command
    └── Interrupted          stopped by the user; the message says how to go on
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType


class EarmarkError(Exception):
    """Base of all errors that a caller may want to catch."""


class AudioError(EarmarkError):
    """One recording cannot be used.

    Parameters
    ----------
    kind : str
        ``missing``, ``unreadable``, ``empty``, ``not-audio``, ``needs-ffmpeg``, ``truncated``, ``corrupt``,
        ``zero-length``, ``non-finite``, ``cancelled`` or ``range``.
    source : str
        The path, or a description of what was decoded.
    detail : str
        What is wrong, with the value.
    remedy : str
        What to do about it.
    """

    def __init__(self, kind: str, source: str, detail: str, remedy: str) -> None:
        super().__init__(f"{source}: {kind}: {detail}; {remedy}")
        self.kind = kind
        self.source = source
        self.detail = detail
        self.remedy = remedy

    def __reduce__(self) -> tuple[type[AudioError], tuple[str, str, str, str]]:
        """Survive the trip back from a worker process."""
        return AudioError, (self.kind, self.source, self.detail, self.remedy)


class DataError(EarmarkError):
    """The data set, its table or its split is wrong."""


class SettingsError(EarmarkError):
    """A recipe or a setting is unknown or out of range."""


class BundleError(EarmarkError):
    """A model bundle is missing, damaged, altered or too new."""


class OutputError(EarmarkError):
    """An output path exists already or cannot be written."""


class DiskError(OutputError, OSError):
    """The disk refused what was to be saved.

    It is an `OSError` too, so that code which waits for one still finds it.

    Parameters
    ----------
    place : str
        The file or folder.
    detail : str
        What went wrong.
    remedy : str
        What to do about it.
    after : str
        What to do after that; `earmark.support.files.disk_error` leaves it to the command, which knows what it has kept.
    error : OSError, optional
        What the system said.
    """

    def __init__(self, place: str, detail: str, remedy: str, after: str = "", error: OSError | None = None) -> None:
        super().__init__(f"{place}: {detail}. {', '.join(filter(None, (remedy, after)))}.")
        self.place, self.detail, self.remedy, self.after = place, detail, remedy, after
        if error is not None:
            self.errno, self.strerror = error.errno, error.strerror or str(error)

    def __str__(self) -> str:
        return str(self.args[0])

    def __reduce__(self) -> tuple[type[DiskError], tuple[str, str, str, str]]:
        """Survive the trip back from a worker process."""
        return DiskError, (self.place, self.detail, self.remedy, self.after)

    def then(self, after: str) -> DiskError:
        """The same, with what to do after the remedy."""
        return DiskError(self.place, self.detail, self.remedy, after, self)


class MissingExtra(EarmarkError):
    """An optional package is absent."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: {install_command(extra)}")
        self.package = package
        self.extra = extra


class Interrupted(EarmarkError):
    """Stopped by the user; what was done so far is kept."""


def install_command(extra: str) -> str:
    """The pip command that adds an extra: from the folder that Earmark was installed from, else its packages by name."""
    from importlib import metadata
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        found = metadata.distribution("earmark")
    except metadata.PackageNotFoundError:
        return f'pip install ".[{extra}]" in the folder of Earmark\'s source'
    source = json.loads(found.read_text("direct_url.json") or "{}")
    folder = Path(url2pathname(urlsplit(source.get("url", "")).path))
    if "dir_info" in source and folder.exists():
        editable = "--editable " if source["dir_info"].get("editable") else ""
        return f'pip install {editable}"{folder}[{extra}]"'
    needed = [text.partition(";") for text in found.requires or ()]
    return "pip install " + " ".join(
        f'"{name.strip()}"' for name, _, when in needed if f'"{extra}"' in when.replace("'", '"')
    )


def require(package: str, *, extra: str) -> ModuleType:
    """Import ``package`` or raise `MissingExtra` naming the pip command of ``extra``."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        raise MissingExtra(package, extra) from error
