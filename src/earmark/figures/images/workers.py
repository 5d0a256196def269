"""One recording to its image, and many of them on all cores."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from earmark.audio import blocks, decode, duration
from earmark.errors import AudioError, DataError, EarmarkError, Interrupted
from earmark.figures.images import png
from earmark.figures.images.names import Clip
from earmark.support.files import file_state, make_folder
from earmark.support.progress import track

if TYPE_CHECKING:
    from earmark.frontend.front_end import FrontEnd

_BLOCK_SECONDS = 60.0
_ROUNDING = (
    1e-3  # seconds that a segment may end behind its recording: `earmark.data.manifest.ROUNDING`, without its pandas
)
_WORTH_A_PROCESS = 100  # images: starting one and importing torch in it costs what they do
_MOST = 61  # processes: Windows allows no more
_AHEAD = 8192  # recordings handed to the processes at a time: a million of them waiting would take memory


@dataclass(frozen=True)
class Task:
    """A clip, its image, and whether a file of others may be replaced."""

    clip: Clip
    target: Path
    overwrite: bool


@dataclass(frozen=True)
class Job:
    """What all images of a run have in common.

    Attributes
    ----------
    about : dict
        Goes into each image; one with the same is not made again.
    palette : bytes or None
        Colours of the 256 values of a pixel.
    span : float or None
        From the darkest to the brightest value.
    """

    about: dict[str, Any]
    palette: bytes | None
    span: float | None

    def about_image(self, clip: Clip) -> dict[str, Any]:
        """What its image says besides its scale; size and times of the recording tell whether it is still the same."""
        segment = {"start": clip.start, "end": clip.end} if clip.is_segment else {}
        recording = clip.recording
        return self.about | {"source": recording.name, "source_state": file_state(recording)} | segment

    def is_done(self, task: Task) -> bool:
        """Whether the image is there, whole, and made of the recording as it is now with the same options."""
        try:
            found = png.about(task.target)
            wanted = self.about_image(task.clip)
            return found is not None and all(found.get(key) == value for key, value in wanted.items())
        except (DataError, OSError):
            return False


def make_all(job: Job, tasks: Sequence[Task], workers: int) -> dict[Path, str]:
    """Make the images, here or in processes of their own; those that cannot be made, with the reason.

    Raises
    ------
    SettingsError, OutputError
        At the first image.
    Interrupted
        After Ctrl-C.
    """
    worth = 8 if job.about["figure"] else _WORTH_A_PROCESS
    count = min(workers or min(os.cpu_count() or 1, len(tasks) // worth), len(tasks), _MOST)
    function = partial(_attempt, job)
    failed: dict[Path, str] = {}
    done = 0
    try:
        made = _here(function, tasks) if count <= 1 else _spread(function, tasks, count, chunk=worth // 8)
        with closing(made) as results:  # wherever Ctrl-C comes, what waits is called off
            for task, error in zip(tasks, track(results, "images", len(tasks)), strict=True):
                done += 1
                if error is not None:
                    failed[task.target] = error
    except KeyboardInterrupt:
        raise Interrupted("stopped; the images made so far are whole, and the same command continues") from None
    except BrokenProcessPool as error:
        raise EarmarkError(
            f"a process that made images ended after {done} of {len(tasks)} images, perhaps for want of memory: take fewer with "
            'workers; in a script, call it under if __name__ == "__main__":; the same call continues'
        ) from error
    return failed


def _here(function: Any, tasks: Sequence[Task]) -> Generator[str | None]:
    """``function`` of each task in order, in this process; on one core, since threads cost more than such small work takes."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield from map(function, tasks)
    finally:
        torch.set_num_threads(threads)


def _spread(function: Any, tasks: Sequence[Task], count: int, chunk: int) -> Generator[str | None]:
    """``function`` of each task in order, in ``count`` processes."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_start)
    try:
        for first in range(0, len(tasks), _AHEAD):
            with _ctrl_c_held():  # the processes start here, and inherit that
                results = pool.map(function, tasks[first : first + _AHEAD], chunksize=chunk)
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def _start() -> None:
    """A process that makes images: one core, Ctrl-C is the parent's to answer, and it does not outlive the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)


def _end_with_parent() -> None:
    """A parent that is killed says nothing to those who wait for its tasks."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _ctrl_c_held() -> Iterator[None]:
    """Ignore Ctrl-C for a moment; signals are the main thread's alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _attempt(job: Job, task: Task) -> str | None:
    """Make one image, or say why there is none."""
    if _foreign(task):
        return f"{task.target}: was not made by Earmark; choose another folder, or pass overwrite=True to replace it"
    try:
        _make(job, task)
    except AudioError as error:
        if error.kind == "missing" and task.clip.remedy:
            error = AudioError(error.kind, error.source, error.detail, task.clip.remedy)
        return str(error)
    return None


def _make(job: Job, task: Task) -> None:
    about = job.about
    front_end = _front_end(about["sample_rate"], tuple(about["front_end"].items()))
    recording = task.clip.recording
    # Before it is read, so that what changes meanwhile is seen the next time; of a missing one, reading tells.
    text = job.about_image(task.clip) if recording.exists() else {}
    values = features(task.clip, front_end, channel=about["channel"])
    make_folder(task.target.parent)
    if about["figure"]:
        from earmark.figures import plots  # matplotlib takes a second, and plain images need none of it

        end = "its end" if task.clip.end is None else f"{task.clip.end:g} s"
        title = recording.name + (f", {task.clip.start:g} s to {end}" if task.clip.is_segment else "")
        figure = plots.features(
            values, front_end, title=title, colors=about["colors"], span=job.span, dark=about["dark"]
        )
        plots.save(figure, task.target, about={png.KEY: json.dumps(text)})
        return
    bits = 16 if about["colors"] == "gray16" else 8
    png.write(task.target, values, text, bits=bits, palette=job.palette, span=job.span, size=about["size"])


def _foreign(task: Task) -> bool:
    """Whether a PNG of others is in the way, and the user has not said that it may be replaced."""
    if task.overwrite or not task.target.exists():
        return False
    try:
        return png.about(task.target) is None
    except DataError:
        return not png.was_ours(task.target)


@lru_cache(maxsize=1)
def _front_end(sr: int, settings: tuple[tuple[str, Any], ...]) -> FrontEnd:
    from earmark.frontend.front_end import FrontEnd, FrontEndSettings

    return FrontEnd(sr, FrontEndSettings(**dict(settings))).eval()


def features(clip: Clip, front_end: FrontEnd, *, channel: int | None = None) -> NDArray[np.float32]:
    """What the front end makes of a clip of any length, before it is standardised; further channels lie above the first.

    Returns
    -------
    ndarray of float32, shape (channels * height, frame)

    Raises
    ------
    AudioError
        Where it does not decode or is shorter than what the front end takes.
    """
    import torch

    time = 0

    def tensors() -> Iterator[torch.Tensor]:
        nonlocal time
        for samples in _sound(clip, front_end.sr, channel):
            time += len(samples)
            yield torch.from_numpy(samples)

    with torch.inference_mode():
        parts = list(front_end.rows_of(tensors()))
        if time < front_end.shortest:
            seconds = front_end.shortest / front_end.sr
            detail = f"{time / front_end.sr:g} s are too short for an image; with these settings it takes {seconds:g} s"
            if clip.is_segment:
                detail = f"the clip from {clip.start:g} s: {detail}"
            raise AudioError("range", str(clip.recording), detail, "leave it out, or take a shorter fft_seconds")
        stacked = front_end.stack(torch.cat(parts).T[None, None])[0]
        found: NDArray[np.float32] = stacked.flatten(0, 1).numpy()
    return found


def _sound(clip: Clip, sr: int, channel: int | None) -> Iterator[NDArray[np.float32]]:
    """Samples of a clip: a recording in blocks, a segment at once."""
    if not clip.is_segment:
        for block in blocks(clip.recording, sr=sr, channel=channel, block_seconds=_BLOCK_SECONDS):
            yield block.samples
        return
    end = clip.end
    if end is not None and 0 <= end - duration(clip.recording)[0] <= _ROUNDING:  # tables are rounded
        end = None
    yield decode(clip.recording, sr=sr, channel=channel, start=clip.start, end=end).samples
