"""Public data sets: where they officially lie, what they may be used for, and how they come here whole or not at all.

The only file that imports pooch.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from earmark.errors import DataError, DiskError, OutputError, require
from earmark.support.archives import unpack
from earmark.support.files import atomic_folder, make_folder, saving
from earmark.support.progress import track

_CHUNK = 1 << 16  # what has come of a broken-off one is lost
_TRIES, _STALLED, _PAUSE = (
    5,
    30.0,
    1.0,
)  # attempts in a row that bring nothing, seconds without a byte, seconds between attempts


@dataclass(frozen=True)
class Archive:
    """One file to fetch.

    Attributes
    ----------
    url : str
    checksum : str or None
        ``md5:...`` or ``sha256:...`` as its publisher gives it; None where it gives none.
    size : int
        Bytes, roughly where no exact figure is published.
    part : str
        Name of the part of the data set; empty where it has one only.
    """

    url: str
    checksum: str | None
    size: int
    part: str = ""


@dataclass(frozen=True)
class PublicDataset:
    """A public data set.

    Attributes
    ----------
    name, about, licence, citation : str
    layout : str
        Name in `earmark.data.layouts.LAYOUTS`.
    archives : tuple of Archive
    """

    name: str
    about: str
    licence: str
    citation: str
    layout: str
    archives: tuple[Archive, ...]

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(a.size for a in self.archives)


_ZENODO = "https://zenodo.org/records/{}/files/{}?download=1"
_MACHINES = ("fan", "pump", "slider", "valve")

DATASETS: tuple[PublicDataset, ...] = (
    PublicDataset(
        "esc50", "50 environmental sounds, 2000 clips of 5 s, 5 folds", "CC BY-NC 3.0",
        "K. J. Piczak, ESC: Dataset for Environmental Sound Classification, ACM Multimedia 2015", "esc50",
        (Archive("https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip", None, 646_000_000),),
    ),
    PublicDataset(
        "urbansound8k", "10 urban sounds, 8732 clips of up to 4 s, 10 folds", "CC BY-NC 4.0",
        "J. Salamon, C. Jacoby, J. P. Bello, A Dataset and Taxonomy for Urban Sound Research, ACM Multimedia 2014", "urbansound8k",
        (Archive(_ZENODO.format(1203745, "UrbanSound8K.tar.gz"), "md5:9aa69802bbf37fb986f71ec1483a196e", 6_023_741_708),),
    ),
    PublicDataset(
        "fsdd", "spoken digits, 3000 recordings of 6 speakers", "CC BY-SA 4.0",
        "Z. Jackson et al., Free Spoken Digit Dataset, 2018", "fsdd",
        (Archive("https://github.com/Jakobovski/free-spoken-digit-dataset/archive/v1.0.9.tar.gz",
                 "sha256:8bc44cde129d505cbbb6b365c09f80c663f2aa77578afc634e6141a2f87100c0", 11_975_353),),
    ),
    PublicDataset(
        "speech-commands", "35 spoken words, 105829 recordings of 2618 speakers", "CC BY 4.0",
        "P. Warden, Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, arXiv 1804.03209, 2018",
        "speech-commands",
        (
            Archive(
                "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58", 2_428_923_189,
            ),
        ),
    ),
    PublicDataset(
        "ravdess", "8 emotions in speech, 1440 recordings of 24 actors", "CC BY-NC-SA 4.0",
        "S. R. Livingstone, F. A. Russo, The Ryerson Audio-Visual Database of Emotional Speech and Song, PLoS ONE 13(5), 2018",
        "ravdess",
        (Archive(_ZENODO.format(1188976, "Audio_Speech_Actors_01-24.zip"), "md5:bc696df654c87fed845eb13823edef8a", 208_468_073),),
    ),
    PublicDataset(
        "emodb", "7 emotions in German speech, 535 recordings of 10 actors", "free to use; cite the paper",
        "F. Burkhardt et al., A Database of German Emotional Speech, Interspeech 2005", "emodb",
        (Archive("http://emodb.bilderbar.info/download/download.zip", None, 40_500_000),),
    ),
    PublicDataset(
        "audiomnist", "spoken digits, 30000 recordings of 60 speakers", "MIT",
        "S. Becker et al., AudioMNIST, Journal of the Franklin Institute 361(1), 2024", "audiomnist",
        (Archive("https://github.com/soerenab/AudioMNIST/archive/refs/heads/master.zip", None, 950_000_000),),
    ),
    PublicDataset(
        "gtzan", "10 genres of music, 1000 excerpts of 30 s; has copies, wrong labels and one broken file", "not stated",
        "G. Tzanetakis, P. Cook, Musical Genre Classification of Audio Signals, IEEE TSAP 10(5), 2002", "gtzan",
        (
            Archive(
                "https://huggingface.co/datasets/marsyas/gtzan/resolve/main/data/genres.tar.gz",
                "md5:5b3d6dddb579ab49814ab86dba69e7c7", 1_225_571_541,
            ),
        ),
    ),
    PublicDataset(
        "mimii", "fans, pumps, sliders, valves, normal and abnormal, 8 channels, at 6, 0 and -6 dB", "CC BY-SA 4.0",
        "H. Purohit et al., MIMII Dataset, DCASE Workshop 2019", "mimii",
        tuple(
            Archive(_ZENODO.format(3384388, f"{snr}_dB_{machine}.zip"), None, 9_000_000_000, f"{snr}_dB_{machine}")
            for snr in (6, 0, -6)
            for machine in _MACHINES
        ),
    ),
    PublicDataset(
        "dcase2020-task2", "development set of DCASE 2020 Task 2: six machines, normal and anomalous", "CC BY-NC-SA 4.0",
        "Y. Koizumi et al., DCASE 2020 Task 2: Unsupervised Detection of Anomalous Sounds, DCASE Workshop 2020", "dcase2020-task2",
        tuple(
            Archive(_ZENODO.format(3678171, f"dev_data_{machine}.zip"), f"md5:{md5}", size, machine)
            for machine, md5, size in (
                ("fan", "649bdfc06263ae7a838963f43b6641e6", 1_354_774_772),
                ("pump", "90e7091ef722b7238a7f1009365779cd", 1_031_279_015),
                ("slider", "da24a757719f0d94d5aa2d646bbfdc86", 1_002_998_966),
                ("valve", "34d2672f55bb041589ef79c10dc89934", 1_000_000_000),
                ("ToyCar", "4dec75ca8d9f666aa9e4c1894a740501", 1_500_000_000),
                ("ToyConveyor", "03b6aa1bfd09a39d53af0ba39f71fa91", 1_200_000_000),
            )
        ),
    ),
)  # fmt: skip
"""Sizes of archives without a checksum, and those that end in many zeros, are rough."""


def get(name: str, out: str | os.PathLike[str], *, parts: Sequence[str] = ()) -> Path:
    """Fetch and unpack a public data set.

    What was fetched of an archive stays in ``OUT.partial`` until it is whole, so that the next call goes on there.

    Parameters
    ----------
    name : str
        In `DATASETS`.
    out : path
        Folder to make; each part of a data set of several comes into a folder of its own inside.
    parts : sequence of str
        Parts to fetch; all by default.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    DataError
        For an unknown name or part, an archive that does not come whole, differs from its checksum, or is unsafe to unpack.
    OutputError
        Where ``out`` exists or the disk is too small.
    """
    chosen = next((d for d in DATASETS if d.name == name), None)
    if chosen is None:
        raise DataError(f"unknown data set {name!r}; choose one of {', '.join(d.name for d in DATASETS)}")
    return fetch(chosen, out, parts=parts)


def fetch(dataset: PublicDataset, out: str | os.PathLike[str], *, parts: Sequence[str] = ()) -> Path:
    """As `get`, for a data set that is not in the list."""
    target = Path(out)
    known = [a.part for a in dataset.archives]
    unknown = sorted(set(parts) - set(known))
    if unknown:
        raise DataError(f"{dataset.name}: has no part {unknown[0]!r}; choose from {', '.join(known)}")
    archives = [a for a in dataset.archives if not parts or a.part in parts]
    places = [(a, target / a.part if a.part else target) for a in archives]
    taken = [place for a, place in places if place.exists() and (not a.part)]
    if taken:
        raise OutputError(f"{taken[0]}: exists; choose another out=FOLDER, or remove it")
    waiting = [(a, place) for a, place in places if not place.exists()]
    partial = make_folder(target.with_name(f"{target.name}.partial"))
    here = sum(p.stat().st_size for p in partial.iterdir())
    need = sum(a.size for a, _ in waiting) + max((a.size for a, _ in waiting), default=0) - here
    free = shutil.disk_usage(partial).free
    if need > free:
        raise OutputError(
            f"{target}: {dataset.name} needs about {need / 1e9:.1f} GB while it is unpacked, {free / 1e9:.1f} GB are free; "
            "choose another out=FOLDER, or fewer parts"
        )
    try:
        for archive, place in waiting:
            with saving(partial):
                packed = _download(archive, partial)
            with atomic_folder(place) as folder:
                unpack(packed, folder, strip=not archive.part)
            packed.unlink()
    except DiskError as error:
        kept = f"then run the same command again: it goes on with what {partial} holds"
        raise error.then(kept) from error
    with suppress(OSError):  # another part may be on its way
        partial.rmdir()
    return target


def _download(archive: Archive, folder: Path) -> Path:
    """The archive in ``folder``, with the right checksum."""
    pooch = require("pooch", extra="train")
    pooch.get_logger().setLevel("ERROR")
    name = archive.url.partition("?")[0].rpartition("/")[2]
    try:
        found = pooch.retrieve(
            archive.url,
            archive.checksum,
            fname=name,
            path=folder,
            downloader=_Resuming(folder / f"{name}.part", archive.size),
        )
    except ValueError as error:
        # Pooch found another checksum: what came is not what was published.
        raise DataError(
            f"{archive.url}: what came differs from its published checksum and was removed; try again, or fetch it by hand"
        ) from error
    return Path(found)


class _Resuming:
    """A downloader for pooch that goes on where it stopped, in this run or the next.

    Parameters
    ----------
    part : Path
        What has come so far.
    size : int
        Bytes expected, roughly; several times as many are refused.
    """

    def __init__(self, part: Path, size: int) -> None:
        self._part = part
        self._most = 4 * size + (64 << 20)

    def __call__(self, url: str, output_file: str | IO[bytes], pooch: Any, check_only: bool = False) -> None:  # noqa: ARG002
        import requests

        fruitless, problem = 0, "no answer"
        while fruitless < _TRIES:
            before = self._size()
            try:
                if self._fetch(requests, url, before):
                    self._part.replace(str(output_file))
                    return
                problem = f"the connection ended after {self._size()} bytes"
            except requests.HTTPError as error:
                answer = error.response
                assert answer is not None
                status = answer.status_code
                if status == 416:  # nothing behind what is here: it is not part of this file
                    self._part.unlink(missing_ok=True)
                elif status < 500 and status not in (408, 429):
                    raise DataError(
                        f"{url}: the server says {status} {answer.reason}; check the network, or fetch it by hand"
                    ) from error
                problem = f"the server says {status}"
            except requests.RequestException as error:
                problem = " ".join(str(error).split())[:200]
            fruitless = 0 if self._size() > before else fruitless + 1
            if fruitless:
                time.sleep(_PAUSE)
        raise DataError(
            f"{url}: does not come ({problem}); {self._size()} bytes are kept in {self._part}: run the same command to go on"
        )

    def _fetch(self, requests: Any, url: str, have: int) -> bool:
        """Ask for the rest; whether the file is whole now."""
        headers = (
            {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
        )
        with requests.get(url, headers=headers, stream=True, timeout=_STALLED) as response:
            response.raise_for_status()
            going_on = response.status_code == 206 and response.headers.get("Content-Range", "").startswith(
                f"bytes {have}-"
            )
            have = have if going_on else 0
            length = response.headers.get("Content-Length")
            with self._part.open("ab" if going_on else "wb") as file:
                total = None if length is None else have + int(length)
                for chunk in track(response.iter_content(_CHUNK), f"fetching {self._part.stem}", _chunks(total, have)):
                    file.write(chunk)
                    have += len(chunk)
                    if have > self._most:
                        raise DataError(
                            f"{url}: sends more than {self._most} bytes, far more than the data set has; fetch it by hand"
                        )
        return total is None or have >= total

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0


def _chunks(total: int | None, have: int) -> int | None:
    return None if total is None else -(-(total - have) // _CHUNK)
