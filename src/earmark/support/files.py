"""Writing so that an interrupted run never leaves a half file that looks whole."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from earmark.errors import DiskError, OutputError

# Read once: it can only be read by setting it, which must not happen while other threads write.
_UMASK = os.umask(0o077)
os.umask(_UMASK)

RUN = "run.json"
"""In the folder of a run in progress: what it is made of."""

_FULL, _ELSEWHERE = "Free space there", "Choose a folder that you may write to"
_REFUSALS = {
    errno.ENOSPC: ("the disk mounted at {disk} is full", _FULL),
    errno.EDQUOT: ("your quota on the disk mounted at {disk} is used up", _FULL),
    errno.EFBIG: ("it is larger than the disk mounted at {disk} allows a file to be", "Use another disk"),
    errno.EROFS: ("the disk mounted at {disk} is read-only", _ELSEWHERE),
    errno.EACCES: ("no permission", _ELSEWHERE),
    errno.EPERM: ("no permission", _ELSEWHERE),
    errno.EIO: ("the disk mounted at {disk} failed", "Use another disk"),
}
_ALWAYS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
"""What only writing can meet, whatever file the system names."""
_SHORT_WRITE = re.compile(r"\d+ requested and \d+ written")  # NumPy's words for a full disk
_INSIDE = re.compile(r"\[Errno (\d+)\]")  # in the words of an error that holds others, such as shutil.Error


def _code(error: OSError) -> int | None:
    """The system's number of an error, from its words where it has none."""
    if error.errno is not None:
        return error.errno
    if _SHORT_WRITE.search(str(error)):
        return errno.ENOSPC
    found = _INSIDE.search(str(error))
    return int(found[1]) if found else None


def disk_error(path: str | os.PathLike[str], error: OSError, what: str = "cannot be written") -> DiskError:
    """What the user reads where ``path`` cannot be saved: which disk refuses, why, and the remedy."""
    place = folder = Path(path)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    disk = folder.resolve()
    while not os.path.ismount(disk) and disk != disk.parent:
        disk = disk.parent
    code = _code(error)
    reason, remedy = _REFUSALS.get(code or 0, ("", _ELSEWHERE))
    words = error.strerror or (os.strerror(code) if code else str(error))
    detail = f"{what}: {reason.format(disk=disk)} ({words})" if reason else f"{what}: {words}"
    return DiskError(str(place), detail, remedy, error=error)


@contextmanager
def saving(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the disk refuses inside into a `DiskError` that names ``path``; other errors pass.

    Parameters
    ----------
    path : path
        The file or folder that is written.
    """
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        if error.filename is None:
            ours = error.errno != errno.EIO  # which a recording that is read may give
        else:
            named = Path(str(error.filename))
            ours = Path(path) in (named, *named.parents)
        if not (_code(error) in _ALWAYS or (ours and error.errno in _REFUSALS)):
            raise
        raise disk_error(path, error) from error


@contextmanager
def atomic_file(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path`` and rename it to ``path`` on success; remove it on failure.

    Parameters
    ----------
    path : path
    durable : bool
        Wait until the disk has it before the old one goes: for what hours of work depend on.

    Raises
    ------
    DiskError
        Where the folder is missing or cannot be written, or the disk is full; what was at ``path`` is as it was.
    """
    target = Path(path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:50]}.", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise disk_error(target, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        with saving(target):
            try:
                yield temporary
                temporary.chmod(0o666 & ~_UMASK)
                if durable:
                    with temporary.open("rb+") as file:
                        os.fsync(file.fileno())
                temporary.replace(target)
            except OSError as error:
                if error.filename is None or Path(str(error.filename)) != temporary or isinstance(error, DiskError):
                    raise
                raise disk_error(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """As `atomic_file`, for a whole folder; what stood at ``path`` is replaced."""
    target = Path(path)
    make_folder(target.parent)
    with saving(target.parent):
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with saving(target):
            yield temporary
            temporary.chmod(0o777 & ~_UMASK)
            publish_folder(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | os.PathLike[str], text: str, *, durable: bool = False) -> None:
    """Write UTF-8 ``text`` to ``path`` in one step; ``durable`` as for `atomic_file`."""
    with atomic_file(path, durable=durable) as temporary:
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
        raise disk_error(folder, error, "cannot be made") from error
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
            f"{target}: was not made by this command (it lacks {', '.join(made)}), so overwrite=True does not replace it; "
            "choose another path"
        )
    if (target.exists() or target.is_symlink()) and not overwrite:
        raise OutputError(f"{target}: exists already; choose another path, or pass overwrite=True to replace it")
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
    note = work / RUN
    interrupted = work.exists()
    if resume and not interrupted:
        raise OutputError(f"{work}: holds no interrupted run; leave out resume=True")
    with _held(make_folder(work)):
        left = [
            path for path in work.iterdir() if not path.name.startswith(f".{RUN}.")
        ]  # of a write that was broken off
        if left and not (resume or overwrite):
            raise OutputError(
                f"{work}: holds an interrupted run; pass resume=True to go on with it, or overwrite=True to start again"
            )
        if resume and left:
            _check_identity(note, identity)
        else:
            for path in left:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
            try:
                write_text(note, identity, durable=True)
            except DiskError:
                with suppress(OSError):
                    work.rmdir()  # nothing to go on with
                raise
        yield work


def _check_identity(note: Path, identity: str) -> None:
    """Refuse to go on with a run that had other data or settings, or that does not say which."""
    again = "give overwrite=True instead of resume=True to start again"
    try:
        known = note.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OutputError(
            f"{note}: cannot be read, so that it is unknown what the interrupted run was made of; {again}"
        ) from error
    if known != identity:
        raise OutputError(
            f"{note.parent}: the interrupted run had other data or settings; give the same ones, or overwrite=True instead of "
            "resume=True to start again"
        )


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
    with saving(target):
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
        shutil.rmtree(old.parent, ignore_errors=True)  # the new one is in place, whatever is left of the old one
