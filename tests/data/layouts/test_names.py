from __future__ import annotations

import unicodedata
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from earmark.data import layouts
from earmark.data.layouts.names import Names

FILES = [
    "audio/Vögel/Grün 1.wav",
    "audio/Vögel/Grün 2.WAV",
    "audio/other/site.1.flac",
    "audio/a/x.wav",
    "audio/b/x.wav",
    "y.wav",
]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("audio/Vögel/Grün 1.wav", FILES[0]),
        (unicodedata.normalize("NFD", FILES[0]), FILES[0]),
        ("audio\\Vögel\\Grün 1.wav", FILES[0]),
        ("audio/vögel/grün 1.WAV", FILES[0]),
        ("Grün 2.wav", FILES[1]),
        (" audio/Vögel/Grün  1.wav ", FILES[0]),
        (quote(FILES[0]), FILES[0]),
        ("file:///home/ann/data/" + quote(FILES[0]), FILES[0]),
        ("C:\\Users\\ann\\Vögel\\Grün 1.wav", FILES[0]),
        ("/mnt/other/machine/a/x.wav", FILES[3]),
        ("b/x.wav", FILES[4]),
        ("./audio//Vögel/../Vögel/Grün 1.wav", FILES[0]),
        ("Grün 1", FILES[0]),
        ("Grün 1.mp3", FILES[0]),
        ("site.1", FILES[2]),
        ('"y.wav"', FILES[5]),
        ("x.wav", None),  # two fit
        ("Grün.wav", None),
        ("", None),
        ("..", None),
    ],
)
def test_names_that_are_the_same_to_a_person(tmp_path: Path, name: str, path: str | None) -> None:
    assert Names(tmp_path, FILES).find(name)[0] == path


def test_what_fits_no_file_is_named_with_the_nearest(tmp_path: Path) -> None:
    found = Names(tmp_path, FILES).resolve(["Grün 3.wav", "x.wav", "zebra.wav", "y.wav", "Y.WAV"])
    assert found.missing == {
        "Grün 3.wav": "the nearest name is audio/Vögel/Grün 2.WAV: correct the row, or remove it",
        "x.wav": "2 files fit, e.g. audio/a/x.wav and audio/b/x.wav: give the path from the table's folder",
        "zebra.wav": "check the path, or remove the row",
    }
    assert found.changed == {"Y.WAV": "y.wav"}
    assert found.paths["y.wav"] == "y.wav"


@given(
    st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="/\\%\"'"), min_size=1, max_size=12)
)
def test_any_name_finds_its_file_in_every_form(name: str) -> None:
    stem = "a" + " ".join(name.split()).strip(".") + "b"
    files = [f"data/{stem}.wav", "data/zz.wav"]
    names = Names(Path("/nowhere"), files)
    assume(stem.swapcase().casefold() == stem.casefold())
    for form in ("NFC", "NFD"):
        for written in (
            f"{stem}.wav",
            f"data\\{stem}.wav",
            f"/x/y/data/{stem}.wav",
            f"{stem}.wav".swapcase(),
            quote(f"{stem}.wav"),
        ):
            assert names.find(unicodedata.normalize(form, written))[0] == files[0], written


@given(st.text(max_size=300))
def test_no_name_is_an_error_or_leads_out_of_the_folder(name: str) -> None:
    found = Names(Path("/nowhere"), FILES).find(name)[0]
    assert found is None or found in FILES


def test_a_table_with_other_spellings_says_so(tmp_path: Path) -> None:
    for label in ("dog", "cat"):
        for k in range(3):
            folder = tmp_path / unicodedata.normalize("NFD", "Vögel")
            folder.mkdir(exist_ok=True)
            (folder / f"{label}{k}.WAV").write_bytes(b"x")
    rows = [f"C:\\data\\Vögel\\{label}{k}.wav,{label}" for label in ("dog", "cat") for k in range(3)]
    (tmp_path / "metadata.csv").write_text("\n".join(["file_name,label", *rows, "cat9.wav,cat"]), encoding="utf-8")
    manifest = layouts.find(tmp_path)
    assert all(path.is_file() for path in manifest.paths[:6])
    missing = {name: unicodedata.normalize("NFC", remedy) for name, remedy in manifest.missing.items()}
    assert missing == {"cat9.wav": "the nearest name is Vögel/cat2.WAV: correct the row, or remove it"}
    assert manifest.notes[0].startswith("6 names in metadata.csv are written otherwise than the files' (first: 'C:")


def test_links_and_absolute_paths_that_exist_are_taken_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.wav").write_bytes(b"x")
    (tmp_path / "set" / "b.wav").symlink_to(tmp_path / "elsewhere" / "a.wav")
    (tmp_path / "set" / "metadata.csv").write_text(f"path,label\n{tmp_path / 'elsewhere' / 'a.wav'},x\nb.wav,y\n")
    manifest = layouts.find(tmp_path / "set")
    assert not manifest.missing and not manifest.notes
    assert [p.resolve() for p in manifest.paths] == [tmp_path / "elsewhere" / "a.wav"] * 2
