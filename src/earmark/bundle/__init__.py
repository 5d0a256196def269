"""The bundle: what training produces and everything else reads.

In: a folder or ``.zip``, with ``earmark.json`` as its table of contents; nothing in it is a pickle, reading it runs no code.
Out: `BundleSpec`, the description in every detail, and the content of each file, checked against its hash.
Imports: rooms up to `audio`.
"""

from earmark.bundle.contents import DESCRIPTION, DETECTOR, ONNX, WEIGHTS, Bundle, read, write_description
from earmark.bundle.description import ANOMALY, CLASSIFICATION, MULTILABEL, SCHEMA, BundleSpec, Logits

__all__ = [
    "ANOMALY",
    "CLASSIFICATION",
    "DESCRIPTION",
    "DETECTOR",
    "MULTILABEL",
    "ONNX",
    "SCHEMA",
    "WEIGHTS",
    "Bundle",
    "BundleSpec",
    "Logits",
    "read",
    "write_description",
]
