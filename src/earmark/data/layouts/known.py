"""How known data sets lie on disk, as data: a new one is a new entry in `LAYOUTS`, not new code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

SPLIT_WORDS = {
    "train": "train", "training": "train",
    "valid": "valid", "validation": "valid", "val": "valid", "validate": "valid", "dev": "valid",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test",
}  # fmt: skip
WITHOUT_LABELS, SELECTIONS, TABLE, CLASS_FOLDERS = "recordings", "selections", "table", "class-folders"
"""Layouts beside those of `LAYOUTS`: recordings without labels, label files beside them, any table; and the most general one."""


@dataclass(frozen=True)
class Layout:
    """One way that data sets lie on disk.

    Attributes
    ----------
    name, about : str
        Name for ``layout``, and what it looks like.
    pattern : str
        Regular expression over the whole relative path; its named groups become columns.
    tables : tuple of str
        Tables, relative to the folder, of which the first that exists is read instead of matching paths.
    folder : str
        Where the table's paths start, relative to the data set's folder.
    derived : mapping
        Column to (the column it follows from, value to value, value of all others; None keeps the value).
    lists : mapping
        Split to the text file that lists its recordings (Speech Commands).
    group : str
        Group, as a format of the columns and ``name``, of the recordings that have none.
    published : str
        Why groups straddle the published split; empty where they may not.
    in_splits : bool
        Whether the table may also lie in each of the folders train, valid and test (Hugging Face's audiofolder).
    general : bool
        Whether it fits data of many kinds, so that a table says more.
    """

    name: str
    about: str
    pattern: str = ""
    tables: tuple[str, ...] = ()
    folder: str = ""
    derived: Mapping[str, tuple[str, Mapping[str, str], str | None]] = field(default_factory=dict)
    lists: Mapping[str, str] = field(default_factory=dict)
    group: str = ""
    published: str = ""
    in_splits: bool = False
    general: bool = False


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        name="esc50",
        about="ESC-50: audio/ and meta/esc50.csv, official folds",
        tables=("meta/esc50.csv", "esc50.csv"),
        folder="audio",
        published="ESC-50's official folds are used as published: a few of its source recordings occur in two folds",
    ),
    Layout(
        name="metadata",
        about="metadata.csv or metadata.jsonl with file_name and label, and group, fold, split if you have them",
        tables=("metadata.csv", "metadata.jsonl", "metadata.tsv", "metadata.parquet"),
        in_splits=True,
    ),
    Layout(
        name="urbansound8k",
        about="UrbanSound8K: audio/foldN/SOURCE-CLASS-OCCURRENCE-SLICE, official folds",
        pattern=r"(?:.*/)?fold(?P<fold>\d+)/(?P<group>\d+)-(?P<class_id>\d)-\d+-\d+\.\w+",
        derived={
            "label": (
                "class_id",
                {
                    "0": "air_conditioner",
                    "1": "car_horn",
                    "2": "children_playing",
                    "3": "dog_bark",
                    "4": "drilling",
                    "5": "engine_idling",
                    "6": "gun_shot",
                    "7": "jackhammer",
                    "8": "siren",
                    "9": "street_music",
                },
                None,
            )
        },
    ),
    Layout(
        name="dcase2020-task2",
        about="DCASE 2020 Task 2: MACHINE/{train,test}/{normal,anomaly}_id_XX_NUMBER",
        pattern=r"(?:.*/)?(?P<machine>[^/]+)/(?P<split>train|test)/(?P<condition>normal|anomaly)_(?P<id>id_\d+)_\d+\.\w+",
        derived={"label": ("condition", {"anomaly": "abnormal"}, None)},
    ),
    Layout(
        name="dcase-task2",
        about="DCASE Task 2 since 2021: MACHINE/*/section_XX_DOMAIN_{train,test}_{normal,anomaly}_NUMBER_ATTRIBUTES",
        pattern=r"(?:.*/)?(?P<machine>[^/]+)/[^/]+/(?P<id>section_\d+)_(?P<domain>source|target)_(?P<split>train|test)_"
        r"(?P<condition>normal|anomaly)_\d+(?:_(?P<attributes>[^/]*))?\.\w+",
        derived={"label": ("condition", {"anomaly": "abnormal"}, None)},
    ),
    Layout(
        name="mimii",
        about="MIMII: [SNR_dB_MACHINE/]MACHINE/id_XX/{normal,abnormal}/FILE",
        pattern=r"(?:.*?/)??(?:(?P<snr>-?\d+)_?dB_[^/]+/)?(?P<machine>[^/]+)/(?P<id>id_\d+)/(?P<label>normal|abnormal)/"
        r"(?:(?P<group>r\d+)_)?[^/]+",
        group="{machine}/{id}/{label}/{name}",
    ),
    Layout(
        name="ravdess",
        about="RAVDESS: Actor_XX/MODALITY-CHANNEL-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR",
        pattern=r"(?:.*/)?\d\d-(?P<vocal_channel>\d\d)-(?P<emotion>\d\d)-(?P<intensity>\d\d)-(?P<statement>\d\d)-"
        r"(?P<repetition>\d\d)-(?P<group>\d\d)\.\w+",
        derived={
            "label": (
                "emotion",
                {
                    "01": "neutral",
                    "02": "calm",
                    "03": "happy",
                    "04": "sad",
                    "05": "angry",
                    "06": "fearful",
                    "07": "disgust",
                    "08": "surprised",
                },
                None,
            )
        },
    ),
    Layout(
        name="emodb",
        about="Berlin EmoDB: wav/SPEAKER TEXT EMOTION VERSION, as 03a01Fa.wav",
        pattern=r"(?:.*/)?(?P<group>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WLEAFTN])(?P<version>[a-z])\.\w+",
        derived={
            "label": (
                "emotion",
                {
                    "W": "anger",
                    "L": "boredom",
                    "E": "disgust",
                    "A": "fear",
                    "F": "happiness",
                    "T": "sadness",
                    "N": "neutral",
                },
                None,
            )
        },
    ),
    Layout(
        name="audiomnist",
        about="AudioMNIST: SPEAKER/DIGIT_SPEAKER_INDEX",
        pattern=r"(?:.*/)?(?P<group>\d\d)/(?P<label>\d)_(?P=group)_(?P<index>\d+)\.\w+",
    ),
    Layout(
        name="gtzan",
        about="GTZAN: GENRE/GENRE.NUMBER; its artists are unknown, so only duplicates are kept together",
        pattern=r"(?:.*/)?(?P<label>[a-z]+)/(?P=label)\.\d{5}\.\w+",
    ),
    Layout(
        name="fsdd",
        about="Free Spoken Digit Dataset: recordings/DIGIT_SPEAKER_INDEX, index 0 to 4 for testing",
        pattern=r"(?:recordings/)?(?P<label>\d)_(?P<group>[A-Za-z]+)_(?P<index>\d+)\.\w+",
        derived={"split": ("index", dict.fromkeys("01234", "test"), "train")},
        published="FSDD's official split (index 0 to 4 for testing) is used as published: the same speakers train and test",
    ),
    Layout(
        name="speech-commands",
        about="Speech Commands: WORD/SPEAKER_nohash_N, with testing_list.txt and validation_list.txt if present",
        pattern=r"(?:.*/)?(?P<label>[^/_][^/]*)/(?P<group>[0-9a-f]{6,8})_nohash_\d+\.\w+",
        lists={"test": "testing_list.txt", "valid": "validation_list.txt"},
    ),
    Layout(
        name="split-folders",
        about="train/LABEL/FILE, valid/LABEL/FILE, test/LABEL/FILE",
        pattern=rf"(?:data/)?(?P<split>(?i:{'|'.join(SPLIT_WORDS)}))/(?P<label>[^/]+)/(?:.*/)?[^/]+",
        general=True,
    ),
    Layout(
        name="edge-impulse",
        about="Edge Impulse export: training/LABEL.NAME.wav, testing/LABEL.NAME.wav",
        pattern=rf"(?P<split>(?i:{'|'.join(SPLIT_WORDS)}))/(?P<label>[^/.]+)\.[^/]+\.\w+",
    ),
    Layout(
        name=CLASS_FOLDERS,
        about="LABEL/FILE, or LABEL/any/folders/FILE",
        pattern=r"(?P<label>[^/]+)/(?:.*/)?[^/]+",
        general=True,
    ),
)
"""Known layouts, the most telling first; the last one fits every folder of folders."""
