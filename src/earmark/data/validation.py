"""A table of clips, completed and validated: what a `Manifest` holds."""

from __future__ import annotations

import logging
import re
import unicodedata
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from earmark.data.tables import times
from earmark.errors import DataError

log = logging.getLogger("earmark")

SEPARATOR = ";"
"""Between the labels of a clip that has several."""

COLUMNS = ("path", "start", "end", "label", "group", "fold", "split")
SPLITS = ("train", "valid", "test")
_ODD = re.compile(r"//|(?:^|/)\.(?:/|$)|./$|\\")  # what pathlib would write otherwise
_TEXT = ("path", "label", "group", "fold", "split")


def _text(value: Any) -> str:
    """As it was written: a column of whole numbers with gaps was read as floats."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if pd.isna(value) else str(value)


def completed(table: pd.DataFrame) -> pd.DataFrame:
    """All of `COLUMNS`, in order and typed; an empty group becomes the recording itself."""
    out = table.copy()
    lists = "label" in out.columns and out["label"].map(is_list).any()
    if lists:
        out["label"] = [SEPARATOR.join(map(str, v)) if is_list(v) else v for v in out["label"]]
    for name in _TEXT:
        values = out[name] if name in out.columns else pd.Series("", index=out.index)
        text = values.map(_text)
        # ./a.wav and a.wav are one recording.
        out[name] = text.map(_plain) if name == "path" else text.map(lambda v: unicodedata.normalize("NFC", v.strip()))
    if lists or out["label"].str.contains(SEPARATOR, regex=False).any():
        unique = {
            v: SEPARATOR.join(sorted({x.strip() for x in v.split(SEPARATOR)} - {""})) for v in out["label"].unique()
        }
        out["label"] = out["label"].map(unique)
    for name, default in (("start", 0.0), ("end", np.nan)):
        values = list(out[name]) if name in out.columns else [default] * len(out)
        out[name], wrong = times.column(values, default=default)
        if wrong is not None:
            raise DataError(
                f"row {wrong + 1} ({out['path'].iloc[wrong]}): {name} is {values[wrong]!r}; give seconds, with a point"
            )
    out["group"] = out["group"].where(out["group"] != "", out["path"])
    out["split"] = out["split"].str.lower()
    further = [c for c in out.columns if c not in COLUMNS]
    return out[[*COLUMNS, *further]].reset_index(drop=True)


def _plain(path: str) -> str:
    return PurePath(path).as_posix() if _ODD.search(path) else path


def is_list(value: object) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def validated(table: pd.DataFrame) -> pd.DataFrame:
    twice = again = table.duplicated(["path", "start", "end"])
    if twice.any():
        again = table.astype(str).duplicated()  # in every column
    bad = [
        ("path", table["path"] == "", "give the recording's path"),
        ("label", table["label"].eq("") & table["label"].eq("").all(), "no clip has a label: give some"),
        ("start", ~(np.isfinite(table["start"]) & (table["start"] >= 0)), "give seconds from 0"),
        ("end", table["end"].notna() & ~(table["end"] > table["start"]), "give seconds behind start"),
        ("split", ~table["split"].isin(["", *SPLITS]), f"use one of {', '.join(SPLITS)}"),
        ("path", twice & ~again, "the same clip occurs twice with different values: keep one row"),
    ]
    for name, wrong, remedy in bad:
        if wrong.any():
            row = int(np.flatnonzero(wrong.to_numpy())[0])
            value = table[name].iloc[row]
            shown = repr(value) if isinstance(value, str) else f"{value:g}"
            more = f" ({wrong.sum()} rows are like that)" if wrong.sum() > 1 else ""
            raise DataError(f"row {row + 1} ({table['path'].iloc[row]}): {name} is {shown}; {remedy}{more}")
    if again.any():
        log.info("skipped   %d rows that are there twice", again.sum())
        table = table[~again].reset_index(drop=True)
    return table
