"""What is forgiven of a recording, and the remedy where nothing is."""

from __future__ import annotations

REPLACE = "replace the file or leave it out"
"""The remedy where a file is beyond use."""


def forgiven(missing: float, whole: float) -> bool:
    """Whether so little of a recording is missing at its end, in seconds, that it is used: the last buffer of a recorder."""
    return missing <= max(min(0.1, 0.1 * whole), min(0.01 * whole, 1.0))
