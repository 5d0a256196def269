"""Real clips to compare torch and ONNX on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from earmark import audio
from earmark.workflow.job import Job

_WINDOWS = 10


def sample_clips(job: Job) -> list[NDArray[np.float32]]:
    """Up to eight clips, tested ones where there are some, and the first of them once more, brought in at another rate."""
    clips, split, sr = job.clips, job.split, job.spec.sample_rate
    rows = split.test if len(split.test) else split.train
    most = _WINDOWS * job.spec.plan.window  # of an hour, all windows at once would not fit into memory
    chosen = [np.array(clips.waveform(i)[:most]) for i in rows[:: max(1, len(rows) // 8)][:8]]
    other = 22_050 if sr != 22_050 else 16_000
    return [*chosen, audio.from_array(audio.resample(chosen[0], sr, other), other, wanted=sr)]
