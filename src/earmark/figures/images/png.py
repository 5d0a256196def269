"""PNG images whose pixels can be turned back into the values that they were made of.

Each image carries a text (tEXt) named ``earmark``: JSON with ``offset`` and ``slope``, so that ``value = offset + slope * pixel``,
and with what the image was made by. Row 0 of the values is the bottom row of the image.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from earmark.errors import DataError
from earmark.support.files import atomic_file

KEY = "earmark"
_END = b"IEND\xaeB`\x82"  # the last bytes of every whole PNG
_HEAD = 4096  # bytes in which the text of an image begins: colours and size alone come before it
_FRAMES = 100_000  # turned into pixels at a time

Values: TypeAlias = NDArray[np.floating[Any]]


def write(
    path: str | os.PathLike[str],
    values: Values,
    about: dict[str, Any],
    *,
    bits: int = 8,
    palette: bytes | None = None,
    span: float | None = None,
    size: Sequence[int] | None = None,
) -> None:
    """Write values as an image, in one step.

    Parameters
    ----------
    path : path
    values : ndarray, shape (row, frame)
        Finite; row 0 becomes the bottom row.
    about : dict
        Goes into the image's text, with ``offset``, ``slope``, ``rows`` and ``frames`` added.
    bits : int
        8 or 16 a pixel.
    palette : bytes, optional
        256 colours, red, green and blue of each; grey otherwise. For 8 bits.
    span : float, optional
        From the darkest to the brightest value, the brightest being the largest; as far as the values reach otherwise.
    size : (int, int), optional
        Height and width to resize to, with smoothing; a pixel for each value otherwise.
    """
    about = about | {"rows": values.shape[0], "frames": values.shape[1]}
    if size is not None:
        figure = Image.fromarray(np.ascontiguousarray(values, np.float32))
        values = np.asarray(figure.resize((size[1], size[0]), Image.Resampling.BILINEAR))
    offset, slope = _scale(values, 2**bits - 1, span)
    pixels = np.empty(values.shape, np.uint16 if bits == 16 else np.uint8)
    for first in range(0, values.shape[1], _FRAMES):  # a recording of a day must not be doubled in memory
        part = values[:, first : first + _FRAMES].astype(np.float64)
        pixels[::-1, first : first + _FRAMES] = np.rint((part - offset) / slope).clip(0, 2**bits - 1)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    text = PngInfo()
    text.add_text(KEY, json.dumps(about | {"offset": offset, "slope": slope}))
    with atomic_file(path) as temporary:
        # Noise does not compress: runs alone cost half the time of a search for copies, and no more bytes.
        image.save(temporary, "PNG", pnginfo=text, compress_level=1, compress_type=zlib.Z_RLE)


def read(path: str | os.PathLike[str]) -> tuple[NDArray[np.float64], dict[str, Any]]:
    """Give back the values of an image, and how it was made.

    Parameters
    ----------
    path : path
        An image of `earmark.figures.images.write`, not a figure.

    Returns
    -------
    values : ndarray, shape (row, frame)
        Within half a step (``slope``) of what was written, where that was not below the darkest value; row 0 is the lowest
        frequency. Resized images have the rows and columns of the image.
    info : dict
        ``offset``, ``slope``, ``unit``, ``sample_rate`` in Hz, ``hop_seconds``, ``front_end`` (its settings), ``rows`` and
        ``frames`` (before resizing), ``colors``, ``range_db``, ``size``, ``source``; of a segment, ``start`` and ``end`` in
        seconds (None: the recording's end).

    Raises
    ------
    DataError
        Where it is no such image.
    """
    info = about(path)
    if info is None or not {"offset", "slope"} <= set(info):
        kind = (
            "is a figure, whose pixels hold no values"
            if info and info.get("figure")
            else "holds no values of Earmark's"
        )
        raise DataError(f"{path}: {kind}; make the image with earmark.figures.images.write, without figure=True")
    try:
        with PngImageFile(path) as image:
            pixels = np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise DataError(f"{path}: is damaged ({error}); make it again") from error
    return float(info["offset"]) + float(info["slope"]) * pixels[::-1].astype(np.float64), info


def about(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What Earmark wrote into an image's text; None for an image of others. Pixels are not read.

    Raises
    ------
    DataError
        Where the file cannot be read or is no whole PNG.
    """
    try:
        with Path(path).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - len(_END)))
            if file.read() != _END:
                raise DataError(f"{path}: is no whole PNG; make it again")
            file.seek(0)
            with PngImageFile(file) as image:  # Image.open refuses the width that an image of a day has
                found = json.loads(image.info.get(KEY, "null"))
    except (SyntaxError, ValueError, TypeError) as error:
        raise DataError(f"{path}: is damaged ({error}); make it again") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}; check the path") from error
    return found if isinstance(found, dict) else None


def was_ours(path: Path) -> bool:
    """Whether a damaged file was an image of Earmark's: what an interrupted copy or a power cut left of one."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return not head.strip(b"\0") or b"tEXt" + KEY.encode() in head


def _scale(values: Values, levels: int, span: float | None) -> tuple[float, float]:
    """Offset and slope; an image of one value is dark all over, since silence should not shine."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return low, (span or 1.0) / levels
    if span is not None:
        low = high - span
    return low, (high - low) / levels
