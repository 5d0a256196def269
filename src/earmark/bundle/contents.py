"""The files of a bundle: reading, checking, writing."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from earmark.bundle.description import AGAIN, BundleSpec
from earmark.errors import BundleError
from earmark.support.files import write_text

DESCRIPTION = "earmark.json"
ONNX = "model.onnx"
WEIGHTS = "model.safetensors"
DETECTOR = "detector.safetensors"


@dataclass(frozen=True)
class Bundle:
    """An opened bundle: its description and its files, which were checked against their hashes when read."""

    path: Path
    spec: BundleSpec
    hashes: dict[str, str]

    def read(self, name: str) -> bytes:
        """Content of one file of the bundle.

        Raises
        ------
        BundleError
            Where it is missing or was altered.
        """
        content = _read_member(self.path, name)
        wanted = self.hashes.get(name)
        if wanted is not None and hashlib.sha256(content).hexdigest() != wanted:
            raise BundleError(f"{self.path}: {name} was altered since it was written (its SHA-256 differs); {AGAIN}")
        return content


def read(path: str | os.PathLike[str]) -> Bundle:
    """Open a bundle, a folder or a ``.zip``.

    Raises
    ------
    BundleError
        Where it is missing, damaged or too new.
    """
    place = Path(path)
    if not place.exists():
        raise BundleError(f"{place}: no such model; train one with earmark.train")
    try:
        data = json.loads(_read_member(place, DESCRIPTION))
    except ValueError as error:
        raise BundleError(f"{place}: {DESCRIPTION} is not valid JSON ({error}); {AGAIN}") from error
    spec = BundleSpec.from_dict(data, source=f"{place}: {DESCRIPTION}")
    hashes = data.get("files")
    if not isinstance(hashes, dict) or ONNX not in hashes:
        raise BundleError(f"{place}: {DESCRIPTION}: files does not list {ONNX}; {AGAIN}")
    return Bundle(place, spec, hashes)


def write_description(folder: Path, spec: BundleSpec) -> None:
    """Write ``earmark.json`` with the hashes of the model files that already lie in ``folder``; the last step of a bundle."""
    names = [name for name in (ONNX, WEIGHTS, DETECTOR) if (folder / name).exists()]
    hashes = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    text = json.dumps({**spec.to_dict(), "files": hashes}, indent=1, ensure_ascii=False, allow_nan=False)
    write_text(folder / DESCRIPTION, text + "\n")


def _read_member(place: Path, name: str) -> bytes:
    missing = f"{place}: holds no {name}; it is not a whole Earmark bundle: {AGAIN}"
    try:
        if place.is_dir():
            return (place / name).read_bytes()
        with zipfile.ZipFile(place) as archive:
            # A bundle zipped as a folder has the names of folders in front.
            found = [n for n in archive.namelist() if n == name or n.endswith(f"/{name}")]
            if not found:
                raise BundleError(missing)
            inside, *others = sorted(found, key=lambda n: n.count("/"))
            if others and others[0].count("/") == inside.count("/"):
                raise BundleError(
                    f"{place}: holds several bundles, {inside} and {others[0]}; unpack it and name one of them"
                )
            return archive.read(inside)
    except FileNotFoundError as error:
        raise BundleError(missing) from error
    except OSError as error:
        raise BundleError(f"{place}: {name} cannot be read: {error.strerror}; check its permissions") from error
    except (zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise BundleError(f"{place}: is neither a bundle's folder nor its .zip ({error}); {AGAIN}") from error
