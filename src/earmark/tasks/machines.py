"""Machines of clips: figures, and the thresholds of detectors, for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earmark.bundle import BundleSpec

if TYPE_CHECKING:
    from earmark.data.manifest import Manifest


def machine_column(manifest: Manifest, spec: BundleSpec) -> list[str]:
    """Name of each clip's machine; ``all`` where the data don't say."""
    if not spec.per or not set(spec.per) <= set(manifest.table.columns):
        return ["all"] * len(manifest)
    return manifest.machines(spec.per)


def machine_names(manifest: Manifest, spec: BundleSpec) -> list[str | None]:
    """The model's machine of each clip; None where the data don't say, or name one that it does not know."""
    return [name if name in spec.machines else None for name in machine_column(manifest, spec)]
