"""What the columns of a table hold, by their names: the one table of aliases that all formats share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from earmark.data.tables.times import UNITS, column, look_like_times
from earmark.errors import DataError

ALIASES: Mapping[str, tuple[str, ...]] = {
    "path": (
        "path", "file_name", "file", "filepath", "fname", "audio", "audio_file", "audio_file_name", "audio_path", "audio_file_path",
        "wav", "wav_file", "wav_path", "wav_file_name", "sound_file", "sound_file_name", "sound_path", "recording",
        "recording_file", "recording_path", "recording_file_name", "recording_name", "slice_file_name", "clip_file", "clip_path",
        "clip_name", "clip_file_name", "in_file", "begin_file", "begin_path", "media_file", "media_path", "mp3", "flac",
        "file_names", "files", "uri", "datei", "dateiname", "fichier", "archivo", "bestand",
    ),
    "start": (
        "start", "start_time", "begin", "begin_time", "beginning", "onset", "onset_time", "from", "time_start", "time_begin",
        "t_start", "t_begin", "tmin", "t_min", "xmin", "t0", "start_offset", "start_at", "clip_start", "clip_start_time",
        "segment_start", "segment_start_time", "event_start", "event_start_time", "event_onset", "call_start", "label_start",
        "region_start", "window_start", "starts", "begins", "beginning_time",
        "anfang", "startzeit", "begintijd", "beginn", "debut", "inicio", "inizio", "von",
    ),
    "end": (
        "end", "end_time", "stop", "stop_time", "offset_time", "to", "until", "finish", "time_end", "time_stop", "t_end", "t_stop",
        "tmax", "t_max", "xmax", "t1", "end_offset", "end_at", "clip_end", "clip_end_time", "segment_end",
        "segment_end_time", "event_end", "event_end_time", "event_offset", "call_end", "label_end", "region_end", "window_end",
        "ends", "ending", "ending_time", "ende", "endzeit", "eindtijd", "fin", "fine", "final", "fim", "bis",
    ),
    "offset": ("offset",),
    "duration": (
        "duration", "dur", "length", "duration_time", "clip_duration", "segment_duration", "event_duration", "clip_length",
        "segment_length", "event_length", "call_duration", "call_length", "delta_time", "dauer", "duree", "duracion", "durata",
    ),
    "file offset": ("file_offset",),
    "time": (
        "time", "timestamp", "time_stamp", "t", "ts", "time_point", "position", "pos", "second", "seconds", "sec", "peak_time",
    ),
    "label": (
        "label", "labels", "label_name", "label_names", "class", "class_name", "class_names", "classes", "class_label",
        "class_labels", "category", "category_name", "categories", "target", "target_name", "tag", "tags", "event_label",
        "event_class", "event_type", "event_name", "event", "sound_event", "species", "species_name", "annotation", "annotations",
        "annotation_label", "common_name", "scientific_name", "species_code", "primary_label", "ebird_code", "manual_id",
        "sound_class", "sound_type", "call_type", "type", "ground_truth", "truth", "scene", "scene_label", "instrument", "genre",
        "emotion", "word", "command", "keyword", "digit", "diagnosis", "condition", "fault", "klasse", "art", "etiqueta",
        "classe", "espece", "especie", "specie", "soort",
    ),
    "label number": (
        "label_id", "class_id", "class_index", "class_number", "label_index", "target_id", "category_id", "label_number",
    ),
    "group": (
        "group", "groups", "group_id", "group_name", "speaker", "speaker_id", "speaker_name", "src_file", "actor", "actor_id",
        "subject", "subject_id", "patient", "patient_id", "participant", "participant_id", "client_id", "singer", "singer_id",
        "person", "person_id", "individual", "individual_id", "fs_id", "freesound_id", "source_id", "song_id", "video_id",
    ),
    "fold": ("fold", "folds", "fold_id", "fold_number", "fold_no", "cv_fold", "k_fold", "crossvalidation_fold", "validation_fold"),
    "split": ("split", "subset", "set", "partition", "data_split", "dataset_split", "data_set_split", "split_name", "train_test"),
}  # fmt: skip
"""What a column holds to the names that it may have, in order of preference; case, blanks and punctuation do not matter, and a
unit may follow: ``Start (s)``, ``start_ms``, ``StartTime [sec]``."""

_WEAK_PATHS = frozenset(
    ["id", "fileid", "name", "clip", "clipid", "recordingid", "sound", "soundid", "sample", "sampleid", "track", "trackid", "media",
     "source", "basename", "key", "uuid", "item", "itemid", "utterance", "utteranceid", "uttid", "xcid", "url", "image"]
)  # fmt: skip
_WEAK_TIMES = frozenset(
    [
        "from",
        "to",
        "t",
        "position",
        "length",
        "fin",
        "fine",
        "von",
        "bis",
        "final",
        "ending",
        "finish",
        "until",
        "beginning",
    ]
)
"""Words that mean other things as well: these columns count only where their values are times."""
_TIME_WORDS = frozenset(
    ["start", "begin", "beginning", "onset", "onsets", "offset", "offsets", "end", "stop", "finish", "starttime", "endtime",
     "startpos", "endpos", "center", "centre", "midpoint", "timecode"]
)  # fmt: skip
_COUNTED = ("sample", "samples", "frame", "frames", "idx", "index")
TIMES = ("start", "end", "offset", "duration", "file offset", "time")
_ROUNDED = 0.0101  # seconds by which two columns may differ
_FOUND = 0.5  # share of the values that must name a recording for a column to be the path


@dataclass(frozen=True)
class Columns:
    """Which column holds what.

    Attributes
    ----------
    roles : mapping
        ``path``, ``label``, ``start``, ``end`` and so on (the keys of `ALIASES`) to a column's name.
    units : mapping
        Seconds of a unit, by role, where the name has a unit.
    further : tuple of str
        Columns that are kept as they are.
    """

    roles: Mapping[str, str]
    units: Mapping[str, float] = field(default_factory=dict)
    further: tuple[str, ...] = ()

    def meanings(self) -> dict[str, str]:
        """Each column to what it holds; ``further`` for those that are kept as they are."""
        return {**{name: role for role, name in self.roles.items()}, **dict.fromkeys(self.further, "further")}


def key(name: str) -> str:
    """A column's name without case, accents, blanks and punctuation."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(letter for letter in plain.casefold() if letter.isalnum())


def words(name: str) -> list[str]:
    """The words of a name in lower case, cut where the case changes, and its unit as a word of its own."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", plain)
    return re.findall(r"[a-zµ]+|\d+", apart.lower())


_ENDINGS: Mapping[str, float | None] = {**UNITS, "hms": None, "hhmmss": None, "mmss": None}
_JOINED = ("milliseconds", "seconds", "msec", "secs", "sec", "ms")
_BY_KEY = {key(alias): (role, place) for role, names in ALIASES.items() for place, alias in enumerate(names)}


def role_of(name: str) -> tuple[str, int, float | None]:
    """What a column holds by its name, how usual that name is (0: most), and the seconds of its unit; an empty role for others."""
    parts, whole = words(name), key(name)
    rest = "".join(part for part in parts[:-1] if part != "in")
    ending = parts[-1] if len(rest) > 1 else next((u for u in _JOINED if whole.endswith(u)), "")
    for stem in (rest, whole.removesuffix(ending)):
        found = _BY_KEY.get(stem)
        if ending in _ENDINGS and found is not None and found[0] in TIMES:
            return (*found, _ENDINGS[ending])
    return (*_BY_KEY[whole], None) if whole in _BY_KEY else ("", 0, None)


def resolve(
    frame: pd.DataFrame, where: object, *, label: str | None = None, exists: Callable[[str], bool] | None = None
) -> Columns:
    """Find out what each column of a table holds.

    Parameters
    ----------
    frame : DataFrame
    where : object
        The table's name in messages.
    label : str, optional
        Column of the labels; found by its name otherwise.
    exists : callable, optional
        Whether a value names a recording: the path may then be found by its values.

    Returns
    -------
    Columns
        Without a role for what is not there.

    Raises
    ------
    DataError
        Where two columns contradict each other, or one looks like times but is not understood.
    """
    named: dict[str, list[tuple[int, str, float | None]]] = {}
    for name in frame.columns:
        role, place, unit = role_of(name)
        if (
            role in TIMES
            and (key(name) in _WEAK_TIMES or role in ("time", "duration"))
            and not (look_like_times(frame[name]) or (role == "duration" and any(map(_is_time, frame[name]))))
        ):
            continue
        if role:
            named.setdefault(role, []).append((place, name, unit))
    for role in ("start", "end"):
        _refuse_contradiction(frame, where, sorted(named.get(role, ())))
    # Of two that are written almost alike, the one that is filled in.
    best = {role: min(found, key=lambda one: (one[0], _empty(frame[one[1]]), one[1])) for role, found in named.items()}
    roles = {role: name for role, (_, name, _) in best.items()}
    units = {role: unit for role, (_, _, unit) in best.items() if unit is not None}
    if label is not None:
        roles["label"] = _given_label(frame, where, label)
    elif "label" not in roles and "label number" in roles:
        roles["label"] = roles["label number"]
    roles.pop("label number", None)
    if exists is not None:
        _find_path(frame, roles, exists)
    if "start" not in roles and "file offset" in roles:
        roles["start"] = roles.pop("file offset")
        units["start"] = units.pop("file offset", 1.0)
    _place_offset(roles, units, where)
    begins = "time" in roles and key(roles["time"]) != "peaktime"
    if begins and "duration" in roles and "start" not in roles:  # Sonic Visualiser
        roles["start"] = roles.pop("time")
        if "time" in units:
            units["start"] = units.pop("time")
    _refuse_unread_times(frame, roles, where)
    for role in (
        ("duration",) if "start" not in roles else ("time",)
    ):  # of a whole recording; a further time of a segment
        roles.pop(role, None)
    used = set(roles.values())
    return Columns(roles, units, tuple(name for name in frame.columns if name not in used))


def _refuse_contradiction(frame: pd.DataFrame, where: object, found: Sequence[tuple[int, str, float | None]]) -> None:
    """Refuse two columns of one meaning whose times differ."""
    times = [
        (name, column(list(frame[name]), unit=unit or 1.0)[0])
        for _, name, unit in found
        if look_like_times(frame[name])
    ]
    for name, other in times[1:]:
        first, mine = times[0]
        apart = np.flatnonzero((np.abs(mine - other) > _ROUNDED) | (np.isnan(mine) != np.isnan(other)))
        if len(apart):
            row = int(apart[0])
            raise DataError(
                f"{where}: row {row + 1}: columns {first!r} and {name!r} mean the same and differ ({mine[row]:g} and "
                f"{other[row]:g} s); remove or rename one"
            )


def _empty(values: pd.Series) -> int:
    """How many values there are not."""
    return int(values.map(lambda v: v is None or v != v or v == "" if not isinstance(v, list) else False).sum())


def _is_time(value: object) -> bool:
    return look_like_times([value])


def _given_label(frame: pd.DataFrame, where: object, label: str) -> str:
    found = label if label in frame.columns else next((n for n in frame.columns if key(n) == key(label)), None)
    if found is None:
        raise DataError(
            f"{where}: has no column {label!r} (label_column=COLUMN; it has {', '.join(frame.columns)}); name one of them"
        )
    return str(found)


def _find_path(frame: pd.DataFrame, roles: dict[str, str], exists: Callable[[str], bool]) -> None:
    """Take the column whose values name recordings, of those that may be paths; the usual names come first."""

    def share(name: str) -> float:
        values = frame[name].map(str)
        sample = values[:: max(1, len(values) // 200)]
        return float(sample.map(exists).mean()) if len(sample) else 0.0

    if "path" in roles and share(roles["path"]) >= _FOUND:
        return
    taken = {column for role, column in roles.items() if role not in ("path", "group")}
    usual = [n for n in frame.columns if role_of(n)[0] == "path" or key(n) in _WEAK_PATHS]
    others = [n for n in frame.columns if n not in usual and n not in taken]
    # Whole names of files come before numbers that the files happen to have too.
    found = [n for n in [*usual, *others] if share(n) >= _FOUND]
    if found:
        roles["path"] = max(found, key=lambda n: (_whole(frame[n]), n in usual, share(n)))


def _whole(values: pd.Series) -> bool:
    """Whether values are names with an extension."""
    return bool(values.map(str).str.contains(r"\.\w{2,5}$").mean() >= _FOUND)


def _place_offset(roles: dict[str, str], units: dict[str, float], where: object) -> None:
    """An offset is an end beside an onset, and a start beside a duration."""
    if "offset" not in roles:
        return
    if "start" in roles and "end" in roles:
        role = ""
    elif "start" in roles:
        role = "end"  # a duration beside both must agree
    elif "end" in roles or "duration" in roles:
        role = "start"
    else:
        raise DataError(
            f"{where}: column {roles['offset']!r} may be the start or the end of a clip; rename it to start, or add the other one"
        )
    column, unit = roles.pop("offset"), units.pop("offset", None)
    if role:
        roles[role] = column
        if unit is not None:
            units[role] = unit


def _refuse_unread_times(frame: pd.DataFrame, roles: dict[str, str], where: object) -> None:
    """Refuse what would change the clips and is not understood; further times beside a start do not matter."""
    if "start" in roles:
        return
    for name in frame.columns:
        parts = words(name)
        if name in roles.values() or not _TIME_WORDS.intersection(parts) or not look_like_times(frame[name]):
            continue
        counted = next((part for part in parts if part in _COUNTED), None)
        what = f"counts {counted}s" if counted in ("sample", "frame") else "looks like times, but is not understood"
        raise DataError(
            f"{where}: column {name!r} {what}; rename it to start or end and give seconds, or rename it to a word that is no time"
        )
