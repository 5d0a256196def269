"""Waveform to file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import soundfile
from numpy.typing import NDArray

from earmark.audio.decoders import reason
from earmark.errors import AudioError
from earmark.support.files import atomic_file


def encode_blocks(
    path: str | os.PathLike[str],
    blocks: Iterable[NDArray[np.float32]],
    sr: int,
    *,
    channels: int = 1,
    subtype: str | None = None,
) -> None:
    """Write a recording block by block, in the format of the path's extension; the file appears once it is whole.

    Parameters
    ----------
    path : path
        Its folder must be there.
    blocks : iterable of ndarray of float32, shape (time,) or (time, channel)
        Taken one at a time. What lies beyond full scale is clipped where the format holds integers.
    sr : int
        Rate in Hz.
    channels : int
        How many the blocks have.
    subtype : str, optional
        As soundfile names it; by default the format's usual one, 16-bit for WAV.

    Raises
    ------
    AudioError
        Where this libsndfile does not write the format.
    """
    with atomic_file(path) as temporary:
        with _writing(path):
            file = soundfile.SoundFile(temporary, "w", sr, channels, subtype)
        with file:
            for block in blocks:
                with _writing(path):
                    file.write(block)


@contextmanager
def _writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Around libsndfile alone: a fault of whoever makes the blocks keeps its own name."""
    try:
        yield
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        detail = f"cannot be written ({reason(error)})"
        raise AudioError("not-audio", str(path), detail, "choose another format") from error
