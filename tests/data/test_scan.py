from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import broken
import earmark
from earmark.data import inspection, layouts, similar
from earmark.data.clips import ingest


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], earmark.Scan]:
    root = tmp_path_factory.mktemp("scan") / "dirty"
    faults = broken.write_broken(root)
    faults["a/missing_0.wav"] = "missing"
    return root, faults, earmark.scan(root)


def test_every_broken_file_is_named_with_its_fault_and_no_good_one(
    dirty: tuple[Path, dict[str, str], earmark.Scan],
) -> None:
    _, faults, found = dirty
    faults = {path: kind for path, kind in faults.items() if kind != "missing"}
    assert len(faults) == len(broken.KINDS) * broken.PER_KIND == 102
    assert {r.path: r.faults[0][0] for r in found.recordings if r.faults} == faults
    assert not found.exact and not found.near
    assert len(found.recordings) == 302 and not found.clean
    unusable = sum(kind in inspection.UNUSABLE for kind in faults.values())
    assert found.to_dict()["usable"] == 302 - unusable


def test_training_leaves_out_what_scan_calls_unusable(dirty: tuple[Path, dict[str, str], earmark.Scan]) -> None:
    from earmark.data.clips import ingest

    root, faults, found = dirty
    clips = ingest(found.manifest, sr=broken.SR)
    assert {Path(e.source).relative_to(root).as_posix() for e in clips.skipped} == {
        path for path, kind in faults.items() if kind in inspection.UNUSABLE - {"missing"}
    }
    with pytest.raises(earmark.DataError, match=r"42 of its 302 clips cannot be used.*strict=True"):
        ingest(found.manifest, sr=broken.SR, strict=True)


def test_table_has_a_row_a_clip(dirty: tuple[Path, dict[str, str], earmark.Scan], tmp_path: Path) -> None:
    _, _, found = dirty
    found.write(tmp_path / "scan.csv")
    table = pd.read_csv(tmp_path / "scan.csv", keep_default_na=False).set_index("path")
    assert len(table) == 302
    assert (table["faults"] != "").sum() == 102
    one = table.loc["a/good000.wav"]
    assert (one["seconds"], one["sr"], one["channels"], one["faults"]) == (1.0, 16_000, 1, "")
    assert one["peak"] == pytest.approx(np.abs(broken.good(1_000)).max(), abs=1e-4)
    assert one["rms"] == pytest.approx(np.sqrt((broken.good(1_000) ** 2).mean()), abs=1e-4)


def test_copies_conflicts_rows_past_the_end_and_missing_files(tmp_path: Path) -> None:
    for i in range(4):
        soundfile.write(tmp_path / f"{i}.wav", broken.good(i, 2.0), broken.SR)
    shutil.copy(tmp_path / "0.wav", tmp_path / "same.wav")
    soundfile.write(tmp_path / "lossless.flac", soundfile.read(tmp_path / "0.wav")[0], broken.SR)
    soundfile.write(tmp_path / "near.wav", 0.5 * broken.good(1, 2.0)[3_200:], broken.SR)
    (tmp_path / "metadata.csv").write_text(
        "file_name,label,group,fold,end\n0.wav,a,g0,1,\n1.wav,a,g1,1,\n2.wav,b,g2,2,5.0\n3.wav,b,g3,2,\nsame.wav,b,g4,2,\n"
        "lossless.flac,a,g5,1,\nnear.wav,a,g6,2,\ngone.wav,b,g7,1,\n"
    )
    found = earmark.scan(tmp_path)
    assert found.exact == (("0.wav", "same.wav", "lossless.flac"),)
    assert found.near == (("1.wav", "near.wav"),)
    assert found.conflicts == found.exact
    assert {kind: [p for p, _ in rows] for kind, rows in found.faults.items()} == {
        "missing": ["gone.wav"],
        "range": ["2.wav"],
    }
    assert [line.split(":")[0] for line in found.leaks] == ["group g0 is in folds 1, 2", "group g1 is in folds 1, 2"]


def test_clean_data_are_called_clean(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(3):
            soundfile.write(tmp_path / label / f"{i}.wav", broken.good(i + 10 * ord(label)), broken.SR)
    found = earmark.scan(tmp_path)
    assert found.clean
    assert found.random_leak == 0.0
    assert found.to_dict()["labels"] == {"a": 3, "b": 3}


def test_random_leak_counts_groups(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(2):
            soundfile.write(tmp_path / label / f"s{i}_x.wav", broken.good(i + 10 * ord(label)), broken.SR)
    found = earmark.scan(tmp_path, group_pattern=r"s\d")
    assert found.random_leak == pytest.approx(0.8)


def test_similar_labels() -> None:
    counts = Counter(
        {
            "engine": 40,
            "engne": 3,
            "Engine": 12,
            "dog bark": 20,
            "dog_bark": 20,
            "rain": 30,
            "train": 30,
            "class_10": 9,
            "class_11": 90,
        }
    )
    assert similar.similar_labels(counts) == [("dog_bark", "dog bark"), ("Engine", "engine"), ("engne", "engine")]


@pytest.mark.parametrize(("bits", "wanted"), [(8, 0.0), (16, 0.0)])
def test_a_full_scale_wave_is_not_called_clipped(tmp_path: Path, bits: int, wanted: float) -> None:
    wave = np.sin(2 * np.pi * 60 * np.arange(16_000) / 16_000)
    soundfile.write(tmp_path / "a.wav", wave * 0.999, 16_000, subtype={8: "PCM_U8", 16: "PCM_16"}[bits])
    assert inspection.inspect(tmp_path / "a.wav", "a.wav").clipped == wanted
    wave = np.sin(2 * np.pi * 310 * np.arange(16_000) / 16_000)
    soundfile.write(tmp_path / "a.wav", np.clip(wave * 1.2, -1, 1), 16_000, subtype={8: "PCM_U8", 16: "PCM_16"}[bits])
    expected = 1 - 2 * np.arcsin(1 / 1.2) / np.pi
    assert inspection.inspect(tmp_path / "a.wav", "a.wav").clipped == pytest.approx(expected, abs=0.06)
    soundfile.write(tmp_path / "a.wav", np.sign(wave) * 0.5, 16_000)
    assert inspection.inspect(tmp_path / "a.wav", "a.wav").clipped == 0.0


def test_clips_are_judged_one_by_one(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", broken.good(1, 4.0), broken.SR)
    soundfile.write(tmp_path / "copy.flac", soundfile.read(tmp_path / "long.wav")[0], broken.SR)
    soundfile.write(tmp_path / "other.wav", broken.good(2, 4.0), broken.SR)
    (tmp_path / "metadata.csv").write_text(
        "file_name,label,group,fold,start,end\nlong.wav,a,g0,1,0,1\nlong.wav,b,g1,2,1,2\nlong.wav,a,g0,1,100,\n"
        "copy.flac,a,g2,1,0,1\nother.wav,b,g3,1,0,1\n"
    )
    found = earmark.scan(tmp_path)
    assert found.faults == {
        "range": [("long.wav", "a clip from 100 s to 100 s lies past the recording's end at 4.000 s")]
    }
    assert found.exact == found.conflicts == (("long.wav", "copy.flac"),)
    assert found.leaks[0].startswith("group g0 is in folds 1, 2")
    assert found.to_dict()["usable"] == 3


def test_scan_and_training_forgive_the_same_rounding(tmp_path: Path) -> None:
    for i in range(2):
        soundfile.write(tmp_path / f"{i}.wav", broken.good(i, 1.0)[:-7], broken.SR)
    for end, wrong in ((1.0, 0), (1.01, 2)):
        (tmp_path / "metadata.csv").write_text(f"path,label,end\n0.wav,a,{end}\n1.wav,b,{end}\n")
        assert sum(map(len, earmark.scan(tmp_path).faults.values())) == wrong
        if wrong:
            with pytest.raises(earmark.DataError, match="lies past the recording's end"):
                ingest(layouts.find(tmp_path), sr=broken.SR)
        else:
            assert not ingest(layouts.find(tmp_path), sr=broken.SR).skipped
