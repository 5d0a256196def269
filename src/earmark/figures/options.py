"""How images of features are made: what `earmark.spectrogram` takes, and the same on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from earmark.data.options import DataOptions
from earmark.errors import SettingsError
from earmark.support.keywords import DATA, OUTPUT, TRAINING, StrPath, option
from earmark.training.options import AUTO

_LARGEST = 8192  # pixels


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """How images are made. Several features make one image with one scale, on which those of small values have little contrast."""

    recipe: str = field(
        default=AUTO,
        metadata=option("Recipe whose front end is used, or a .toml file. auto: balanced+general.", TRAINING),
    )
    settings: Sequence[str] = field(
        default=(),
        metadata=option(
            "Change a setting of the front end: features=mfcc, n_mels=128, scale=pcen ...; repeatable.",
            TRAINING,
            repeated=True,
            flag="--set",
        ),
    )
    sample_rate: int = field(
        default=0, metadata=option("In Hz. 0: the commonest of the recordings, at most 32000.", DATA)
    )
    channel: int | None = field(
        default=None, metadata=option("Channel to take, from 0. Default: the mean of all.", DATA)
    )
    folders: str = field(
        default="auto",
        metadata=option(
            "labels: a folder for each label, below one for each split. tree: the folders of the recordings. "
            "auto: labels where they are known.",
            OUTPUT,
        ),
    )
    size: str | tuple[int, int] | None = field(
        default=None,
        metadata=option(
            "Height and width in pixels, such as 224x224. Default: one for each frequency bin and frame.", OUTPUT
        ),
    )
    colors: str = field(
        default="magma",
        metadata=option(
            "Colour map of matplotlib; gray: 8 bits of grey; gray16: 16 bits, from which earmark.figures.images.read gives the "
            "values back.",
            OUTPUT,
        ),
    )
    range_db: float = field(
        default=80.0, metadata=option("Decibels under the image's peak that are darkest.", OUTPUT, flag="--range")
    )
    figure: bool = field(default=False, metadata=option("Draw axes and a colour bar, for people.", OUTPUT))
    dark: bool = field(default=False, metadata=option("Draw figures on a dark background.", OUTPUT))

    @property
    def pixels(self) -> tuple[int, int] | None:
        """Height and width.

        Raises
        ------
        SettingsError
            Where the size cannot be read, or is out of range.
        """
        if self.size is None:
            return None
        sides = self.size.lower().split("x") if isinstance(self.size, str) else [str(side) for side in self.size]
        if len(sides) != 2 or not all(side.isdecimal() for side in sides):
            raise SettingsError(f"size is {self.size!r}; give height x width in pixels: size='224x224'")
        height, width = (int(side) for side in sides)
        if not (1 <= height <= _LARGEST and 1 <= width <= _LARGEST):
            raise SettingsError(f"size is {height}x{width}; each side may be 1 to {_LARGEST} pixels")
        return height, width


@dataclass(frozen=True, kw_only=True)
class SpectrogramCall(DataOptions, ImageOptions):
    """What `earmark.spectrogram` takes, without settings of the front end."""

    paths: StrPath | Sequence[StrPath] = field(
        kw_only=False,
        metadata=option("A data set (a folder or a table), or recordings and folders of them.", repeated=True),
    )
    out: StrPath = field(kw_only=False, metadata=option("Folder that takes the images.", OUTPUT))
    workers: int = field(
        default=1,
        metadata=option("Number of processes. 0: as many as there are cores, if there is enough to do.", OUTPUT),
    )
    overwrite: bool = field(
        default=False, metadata=option("Make all images again, and replace PNG files of others.", OUTPUT)
    )
