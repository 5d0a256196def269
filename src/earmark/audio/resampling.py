"""The one resampler."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Resampler:
    """Stream resampler (soxr HQ); its joined output equals `resample` of the joined input.

    Parameters
    ----------
    sr, wanted : int
        Rate that comes in and rate that goes out, in Hz.
    """

    def __init__(self, sr: int, wanted: int) -> None:
        self._stream: Any = None
        if sr != wanted:
            import soxr

            self._stream = soxr.ResampleStream(sr, wanted, 1, dtype="float32", quality="HQ")

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Take a block, return what is ready, shape (time,)."""
        return samples if self._stream is None else self._call(samples, last=False)

    def finish(self) -> NDArray[np.float32]:
        """Return what was held back."""
        empty = np.zeros(0, np.float32)
        return empty if self._stream is None else self._call(empty, last=True)

    def _call(self, samples: NDArray[np.float32], *, last: bool) -> NDArray[np.float32]:
        return np.asarray(self._stream.resample_chunk(np.ascontiguousarray(samples), last=last), np.float32)


def resample(samples: NDArray[np.float32], sr: int, wanted: int) -> NDArray[np.float32]:
    """Resample a whole waveform with soxr HQ, shape (time,) to (time * wanted / sr,)."""
    if sr == wanted or len(samples) == 0:
        return samples
    import soxr

    return np.asarray(soxr.resample(samples, sr, wanted, quality="HQ"), np.float32)
