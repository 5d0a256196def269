"""The bundle: what training produces and everything else reads.

A folder, or the same as one ``.zip``, with ``earmark.json`` as its table of contents. Nothing in it is a pickle, and
reading it runs no code.
"""

from earmark.bundle.contents import DESCRIPTION, DETECTOR, ONNX, WEIGHTS, Bundle, read, write_description
from earmark.bundle.description import ANOMALY, CLASSIFICATION, MULTILABEL, SCHEMA, TASKS, BundleSpec, Logits

__all__ = [
    "ANOMALY",
    "CLASSIFICATION",
    "DESCRIPTION",
    "DETECTOR",
    "MULTILABEL",
    "ONNX",
    "SCHEMA",
    "TASKS",
    "WEIGHTS",
    "Bundle",
    "BundleSpec",
    "Logits",
    "read",
    "write_description",
]
