"""Writing so that an interrupted run never leaves a half file that looks whole."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from earmark.errors import OutputError

# Read once: it can only be read by setting it, which must not happen while other threads write.
_UMASK = os.umask(0o077)
os.umask(_UMASK)


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it to ``path`` on success; remove it on failure.

    Raises
    ------
    OutputError
        Where the folder is missing or cannot be written.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise OutputError(
            f"{target}: cannot be written: {error.strerror}; choose a folder that you may write to"
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """As `atomic_file`, for a whole folder; what stood at ``path`` is replaced."""
    target = Path(path)
    make_folder(target.parent)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_UMASK)
        publish_folder(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` in one step."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def as_text(name: str) -> str:
    """A file's name with what is not UTF-8 spelt out: the same name, if tables and reports can hold it."""
    return name.encode(errors="backslashreplace").decode()


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Make a folder and its parents, or raise `OutputError`."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made: {error.strerror}; choose a folder that you may write to"
        ) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{folder}: cannot be written: no permission; choose a folder that you may write to")
    return folder


def claim_output(
    path: str | os.PathLike[str], *, overwrite: bool = False, made: Sequence[str], whole: bool = True
) -> Path:
    """Check before any work that ``path`` can become a result: it does not exist (or may be replaced), its parent can be written.

    It may be replaced where all files ``made`` lie in it, by which a result of the same kind is known; ``whole`` says that it is
    replaced as a whole, and not written into.

    Raises
    ------
    OutputError
        One line with the remedy.
    """
    target = Path(path)
    if target.name in ("", ".."):
        target = target.resolve()
    make_folder(target.parent)
    if whole and os.path.ismount(target):
        raise OutputError(
            f"{target}: is a mounted folder, which cannot be replaced as a whole; choose a folder inside it"
        )
    if target.is_dir() and not any(target.iterdir()):
        return target
    if overwrite and target.exists() and not all((target / name).is_file() for name in made):
        raise OutputError(
            f"{target}: was not made by this command (it lacks {', '.join(made)}), so --overwrite does not replace it; "
            "choose another path"
        )
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise OutputError(f"{target}: exists already; choose another path, or pass --overwrite to replace it")
    return target


def partial(target: Path) -> Path:
    """Where a run that will become ``target`` keeps its state."""
    return target.with_name(target.name + ".partial")


@contextmanager
def work_folder(target: Path, identity: str, *, resume: bool, overwrite: bool) -> Iterator[Path]:
    """Give the folder of a run in progress, new or taken up, and keep other processes from it meanwhile.

    What an interrupted run left there is kept unless the user said otherwise.

    Parameters
    ----------
    target : Path
        What the run will become.
    identity : str
        Describes data and settings; a run can be gone on with only under the same.
    resume, overwrite : bool
        Go on with what lies there, or throw it away.

    Raises
    ------
    OutputError
        Where something lies there and neither was asked for, or the other way round, or another process is at work there.
    """
    work = partial(target)
    note = work / "run.json"
    interrupted = work.exists()
    if resume and not interrupted:
        raise OutputError(f"{work}: holds no interrupted run; leave out --resume")
    with _held(make_folder(work)):
        if interrupted and not (resume or overwrite):
            raise OutputError(
                f"{work}: holds an interrupted run; pass --resume to go on with it, or --overwrite to start again"
            )
        if resume and note.exists() and note.read_text(encoding="utf-8") != identity:
            raise OutputError(
                f"{work}: the interrupted run had other data or settings; give the same ones, or --overwrite instead of "
                "--resume to start again"
            )
        for left in [] if resume else list(work.iterdir()):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        write_text(note, identity)
        yield work


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a folder, or raise `OutputError`; Windows keeps what is open by itself, and some file systems know no locks."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise OutputError(
                    f"{folder}: another process is at work there; wait for it, or choose another output path"
                ) from error
        yield
    finally:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)  # also what a forked process holds of it
        os.close(handle)


def file_state(path: Path) -> str:
    """What changes when a file does: its size, and when its content, its name or its place last changed.

    Files unpacked from one archive may share size and time of change; their times of creation differ.

    Raises
    ------
    OSError
        Where there is none.
    """
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}"


def publish_folder(temporary: Path, target: Path) -> None:
    """Rename a finished folder into place; what stood there before goes only after the new one is complete."""
    old = None
    if target.exists():
        old = Path(tempfile.mkdtemp(prefix=f".{target.name}.old-", dir=target.parent)) / target.name
        target.replace(old)
    try:
        temporary.replace(target)
    except OSError:
        if old is not None:
            old.replace(target)
            old.parent.rmdir()
        raise
    if old is not None:
        shutil.rmtree(old.parent)
