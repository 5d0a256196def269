"""Read damaged label files and tables of every format: no crash, no clip outside its recording, nothing lost in silence.

    python benchmarks/fuzz_labels.py --inputs 20000

A folder of recordings gets a table, or label files beside the recordings, in one of the formats that Earmark reads; characters,
cells, lines and bytes are then changed, repeated, moved or cut. A run is bad if anything but an `EarmarkError` is raised; if a clip
lies outside its recording and is not refused when it is decoded; if a file, a column or a row disappears without being counted; or
if a row that was not changed gives another clip than before.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import soundfile

from earmark.data import layouts
from earmark.data.clips import ingest
from earmark.data.manifest import Manifest
from earmark.data.selections import SelectionOptions
from earmark.data.tables import read_table
from earmark.errors import EarmarkError

SR = 8_000
SECONDS = 10.0
SITES = 4
EVENTS = [(0.5, 1.5, "owl"), (2.0, 2.75, "wren"), (4.0, 6.0, "owl"), (7.25, 9.0, "käuzchen")]
RAVEN = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tBegin File\tFile Offset (s)\tSpecies"
BESIDE = {
    ".txt": ("", lambda a, b, x: f"{a:.6f}\t{b:.6f}\t{x}"),
    ".comma.txt": ("", lambda a, b, x: f"{a:.6f}\t{b:.6f}\t{x}".replace(".", ",")),
    ".clock.txt": ("", lambda a, b, x: f"00:00:{a:06.3f}\t00:00:{b:06.3f}\t{x}"),
    ".csv": ("onset,offset,label", lambda a, b, x: f"{a},{b},{x}"),
    ".tsv": ("start_ms\tduration_ms\tclass\tnote", lambda a, b, x: f"{a * 1000}\t{(b - a) * 1000}\t{x}\tq"),
    ".Table.1.selections.txt": (
        "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies", lambda a, b, x: f"1\t{a}\t{b}\t{x}",
    ),
    ".jsonl": ("", lambda a, b, x: f'{{"start": {a}, "end": {b}, "label": "{x}"}}'),
}  # fmt: skip
TABLES = {
    "events.csv": ("filename,Start (s),End (s),Label,site", lambda k, a, b, x: f"site{k}.wav,{a},{b},{x},north"),
    "de.csv": ("Datei;Beginn;Ende;Art", lambda k, a, b, x: f"site{k}.wav;{a};{b};{x}".replace(".", ",").replace(",wav", ".wav")),
    "strong.tsv": ("filename\tonset\toffset\tevent_label", lambda k, a, b, x: f"site{k}.wav\t{a}\t{b}\t{x}"),
    "all.txt": (RAVEN, lambda k, a, b, x: f"1\tS\t1\t{10 * k + a}\t{10 * k + b}\t100\tsite{k}.wav\t{a}\t{x}"),
    "meta.txt": ("", lambda k, a, b, x: f"site{k}.wav\t{a}\t{b}\t{x}"),
    "events.jsonl": ("", lambda k, a, b, x: f'{{"file": "site{k}.wav", "start": {a}, "end": {b}, "label": "{x}"}}'),
    "kaleidoscope.csv": ("IN FILE,OFFSET,DURATION,MANUAL ID", lambda k, a, b, x: f"site{k}.wav,{a},{b - a},{x}"),
    "metadata.csv": ("file_name,label,group,split", lambda k, a, _, x: f"site{k}.wav,{x},g{k},train" if a < 1 else ""),
}  # fmt: skip
PIECES = [
    b"\t", b",", b";", b'"', b"'", b"\n", b"\r", b"\0", b"-", b".", b"9", b"e9", b"nan", b"inf", b" ", b"\xff\xfe", b"\xc3\xa4",
    b"\xe4", b":", b"[", b"{", b"%20", b"\\", b"/", b"../", b"start", b"label", b"1e308", b"\xf0\x9f\x90\xa6",
]  # fmt: skip


Clip = tuple[str, float, float, str]


def write(root: Path, rng: np.random.Generator) -> tuple[Path, list[bytes], dict[bytes, Clip]]:
    """Label files for a folder of recordings; the one to damage, its lines, and the clip of each line."""
    if rng.random() < 0.5:
        suffix, (header, line) = list(BESIDE.items())[rng.integers(len(BESIDE))]
        for k in range(SITES):
            lines = [line(a, b, x) for a, b, x in EVENTS]
            (root / f"site{k}{suffix}").write_text(
                "\n".join([header, *lines] if header else lines) + "\n", encoding="utf-8"
            )
        place = root / f"site1{suffix}"
        clips = {line(a, b, x).encode(): ("site1.wav", a, b, x) for a, b, x in EVENTS}
    else:
        name, (header, line) = list(TABLES.items())[rng.integers(len(TABLES))]
        lines = [text for k in range(SITES) for a, b, x in EVENTS if (text := line(k, a, b, x))]
        place = root / name
        place.write_text("\n".join([header, *lines] if header else lines) + "\n", encoding="utf-8")
        every = [(k, a, b, x) for k in range(SITES) for a, b, x in EVENTS]
        clips = {line(k, a, b, x).encode(): (f"site{k}.wav", a, b, x) for k, a, b, x in every if name != "metadata.csv"}
    return place, place.read_bytes().split(b"\n"), clips


def damaged(lines: list[bytes], rng: np.random.Generator) -> bytes:
    """One to three changes of characters, cells, lines or the whole."""
    lines = list(lines)
    for _ in range(int(rng.integers(1, 4))):
        row = int(rng.integers(len(lines)))
        cells = lines[row].split(b"\t" if b"\t" in lines[row] else b",")
        cell, other = int(rng.integers(len(cells))), int(rng.integers(len(lines)))
        kind = int(rng.integers(8))
        piece = PIECES[int(rng.integers(len(PIECES)))]
        if kind == 0:
            at = int(rng.integers(len(lines[row]) + 1))
            lines[row] = lines[row][:at] + piece + lines[row][at + int(rng.integers(2)) :]
        elif kind == 1:
            cells[cell] = piece
        elif kind == 2:
            cells.insert(cell, cells[int(rng.integers(len(cells)))])
        elif kind == 3:
            del cells[cell]
        elif kind == 4:
            lines[row], lines[other] = lines[other], lines[row]
        elif kind == 5:
            lines.insert(row, lines[other])
        elif kind == 6:
            del lines[row]
        else:
            lines[row] = lines[row][: int(rng.integers(len(lines[row]) + 1))]
        if kind in (1, 2, 3):
            lines[row] = (b"\t" if b"\t" in lines[row] else b",").join(cells)
        lines = lines or [b""]
    text = b"\n".join(lines)
    if rng.random() < 0.1:
        with suppress(UnicodeError):
            text = text.decode().encode(("utf-16", "cp1252", "utf-8-sig", "utf-16-be")[int(rng.integers(4))])
    return text[: int(rng.integers(len(text) + 1))] if rng.random() < 0.05 else text


def lost(place: Path, lines: list[bytes], clips: dict[bytes, Clip], manifest: Manifest) -> str:
    """A line that was not damaged and is a clip no longer, though the file was read and nothing is said."""
    now = place.read_bytes().split(b"\n")
    if now[:1] != lines[:1] or any("excluded" in note or "Windows" in note for note in manifest.notes):
        return ""
    table = manifest.table
    found = {
        (p, round(s, 4), round(e, 4), x)
        for p, s, e, x in zip(*(table[c] for c in ("path", "start", "end", "label")), strict=True)
    }
    for line, (path, start, end, label) in clips.items():
        if line in now and (path, round(start, 4), round(end, 4), label) not in found:
            return f"line {line!r} is lost"
    return ""


def fault(root: Path, place: Path, manifest: Manifest) -> str:
    """What is wrong with a manifest that was read, else nothing."""
    files = manifest.files
    every = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
    if files is None:
        return "no files"
    told = [*files.used, *(p for paths in (*files.skipped.values(), *files.unused.values()) for p in paths)]
    if sorted(told) != every:
        return f"files do not add up: {set(every) ^ set(told)}"
    table = manifest.table
    if not ((table["start"] >= 0) & ~(table["end"] <= table["start"])).all():
        return "a clip without a length"
    clips = ingest(manifest, sr=SR)
    inside = clips.manifest.table
    if (inside["end"].fillna(0) > SECONDS + 1e-3).any() or (inside["start"] >= SECONDS).any():
        return "a clip outside its recording"
    if len(clips.manifest) + len(clips.skipped) != len(manifest):
        return "clips do not add up"
    if place.relative_to(root).as_posix() in files.used and manifest.columns and place.suffix != ".txt":
        read = read_table(place)
        missing = set(read.frame.columns) - set(manifest.columns) if read.headed else ()
        if missing and not any("one label each" in note for note in manifest.notes):
            return f"columns without a meaning: {missing}"
    return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "earmark-fuzz-labels")
    chosen = parser.parse_args()
    rng = np.random.default_rng(chosen.seed)
    outcomes: Counter[str] = Counter()
    said: Counter[str] = Counter()
    bad, begin = 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        sound = np.random.default_rng(0).normal(size=(SITES, round(SECONDS * SR))) * 0.1
        source = Path(folder) / "recordings"
        source.mkdir()
        for k in range(SITES):
            soundfile.write(source / f"site{k}.wav", sound[k], SR)
        for number in range(chosen.inputs):
            root = Path(folder) / "set"
            shutil.rmtree(root, ignore_errors=True)
            root.mkdir()
            for path in source.iterdir():
                (root / path.name).hardlink_to(path)
            place, lines, clips = write(root, rng)
            place.write_bytes(damaged(lines, rng))
            options = SelectionOptions(label_seconds=0.5) if rng.random() < 0.2 else None
            try:
                manifest = layouts.find(
                    root, selections=options, unlabelled_as="normal" if rng.random() < 0.3 else None
                )
                taken = place.name in manifest.files.used if manifest.files else False
                wrong = fault(root, place, manifest) or (lost(place, lines, clips, manifest) if taken else "")
                outcomes["read" if len(manifest) else "empty"] += 1
            except EarmarkError as error:
                outcomes["refused"] += 1
                said[str(error).replace(str(root), "").split(":")[-1][:60]] += 1
                wrong = "" if str(error).strip() else "an error without words"
            except Exception:  # noqa: BLE001 - what must not happen is what is looked for
                wrong = traceback.format_exc(limit=-3)
            if wrong:
                bad += 1
                outcomes["bad"] += 1
                chosen.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(place, chosen.keep / f"{number}-{place.name}")
                print(f"input {number} ({place.name}): {wrong} (kept in {chosen.keep})", flush=True)
    formats = len(BESIDE) + len(TABLES)
    print(f"| {chosen.inputs} damaged label files and tables of {formats} formats, seed {chosen.seed} | {bad} faults |")
    print(f"| outcomes | {', '.join(f'{kind} {n}' for kind, n in outcomes.most_common())} |")
    print(f"| whole run | {time.monotonic() - begin:.0f} s |")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
