from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

import earmark
from conftest import TINY, tone, write_tones
from earmark.data import layouts
from earmark.data.clips import ingest
from earmark.data.selections import SelectionOptions
from earmark.errors import DataError

SR = 8_000


def write_long(root: Path, *, recordings: int = 6) -> Path:
    """Recordings of ten seconds of hiss with a high tone at 1 to 2 s, a low one at 4 to 5 s; one label file in each style."""
    for i in range(recordings):
        sound = np.random.default_rng(i).normal(size=10 * SR) * 0.05
        sound[SR : 2 * SR] += tone(2_000 + 100 * i, 1.0, SR)
        sound[4 * SR : 5 * SR] += tone(300 + 20 * i, 1.0, SR)
        soundfile.write(root / f"rec{i}.wav", sound, SR)
        if i % 2:
            text = "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t1.0\t2.0\thigh\n2\t4.0\t5.0\tlow\n"
            (root / f"rec{i}.Table.1.selections.txt").write_text(text)
        else:
            (root / f"rec{i}.{'TXT' if i else 'txt'}").write_text("1.0\t2.0\thigh\n4.0\t5.0\tlow\n")
    return root


def test_labels_become_clips_and_a_recording_is_a_group(tmp_path: Path) -> None:
    manifest = layouts.find(write_long(tmp_path))
    assert (manifest.layout, manifest.grouped_by) == ("selections", "recording")
    assert manifest.labels == ["high", "low"]
    assert len(manifest) == 12 and manifest.table["group"].nunique() == 6
    clips = ingest(manifest, sr=SR)
    assert all(len(clips.waveform(i)) == SR for i in range(12))


def test_background_lies_between_the_labels(tmp_path: Path) -> None:
    table = layouts.find(write_long(tmp_path), selections=SelectionOptions(background="nothing")).table
    found = table[table["label"] == "nothing"]
    # As many as the commonest label has, evenly from all recordings, as long as the labels: between 0 and 1, 2 and 4, 5 and 10 s.
    assert sorted(found["path"]) == [f"rec{i}.wav" for i in range(6)]
    assert set(found["start"]) <= {0, 2, 3, 5, 6, 7, 8, 9} and found["start"].nunique() > 2
    assert (found["end"] - found["start"] == 1).all()
    pd.testing.assert_frame_equal(
        table, layouts.find(tmp_path, selections=SelectionOptions(background="nothing")).table
    )


def test_background_comes_from_all_recordings_and_of_normal_sound_there_is_all(tmp_path: Path) -> None:
    for i in range(20):
        soundfile.write(tmp_path / f"{i:02d}.wav", np.zeros(SR * 10), SR)
        (tmp_path / f"{i:02d}.txt").write_text(f"0\t1\t{'wren' if i < 6 else i}\n")
    options = SelectionOptions(background="normal")
    table = layouts.find(tmp_path, selections=options).table
    found = table.loc[table["label"] == "normal", "path"]
    assert len(found) == found.nunique() == 6 and max(found) > "10"
    every = layouts.find(tmp_path, selections=options, unlabelled_as="normal").table
    assert (every["label"] == "normal").sum() == 20 * 9


def test_background_is_told_from_labels_by_its_sound_alone(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(SR * 300), SR)
    lengths = [0.6, 1.0, 2.5] * 5
    lines = [f"{10 * i}\t{10 * i + s}\twren" for i, s in enumerate(lengths)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    table = layouts.find(tmp_path, selections=SelectionOptions(background="nothing")).table
    found = table[table["label"] == "nothing"]
    assert len(found) == 15
    assert set((found["end"] - found["start"]).round(6)) == set(lengths)
    clear = [((found["end"] <= 10 * i) | (found["start"] >= 10 * i + s)).all() for i, s in enumerate(lengths)]
    assert all(clear)


def test_label_files_that_few_recordings_have_are_asked_about(tmp_path: Path) -> None:
    write_tones(tmp_path, clips=3)
    (tmp_path / "low" / "g0_0.txt").write_text("0\t0.5\tx\n")
    with pytest.raises(
        DataError, match="1 of its 9 recordings have label files .*layout='selections' .* layout='class-fold"
    ):
        layouts.find(tmp_path)
    assert len(layouts.find(tmp_path, layout="class-folders")) == 9
    assert len(layouts.find(tmp_path, selections=SelectionOptions(min_seconds=0.1))) == 1
    with pytest.raises(DataError, match="not for a layout or a pattern; remove them"):
        layouts.find(tmp_path, layout="class-folders", selections=SelectionOptions(min_seconds=0.1))


def test_overlaps_short_labels_and_rounded_ends(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(300, 5.0), SR)
    (tmp_path / "a.txt").write_text("0\t1\tx\n0.5\t2\ty\n2.5\t2.6\tx\n3\t3\tx\n4\t5.0001\tx\n4\t5.0001\tx\n")
    every = layouts.find(tmp_path).table
    assert every[["start", "end"]].to_numpy().tolist() == [[0, 1], [0.5, 2], [2.5, 2.6], [4, 5]]
    chosen = layouts.find(tmp_path, selections=SelectionOptions(min_seconds=0.5, overlaps="drop")).table
    assert chosen[["start", "end"]].to_numpy().tolist() == [[4, 5]]
    with pytest.raises(DataError, match="none of the labels"):
        layouts.find(tmp_path, selections=SelectionOptions(min_seconds=9))
    (tmp_path / "a.txt").write_text("1.3\t2.3\tx\n")  # 0.9999999999999998 s
    assert len(layouts.find(tmp_path, selections=SelectionOptions(min_seconds=1)).table) == 1


def test_choices_are_checked() -> None:
    with pytest.raises(DataError, match="overlaps is 'both'; choose keep or drop"):
        SelectionOptions(overlaps="both")
    with pytest.raises(DataError, match="min_seconds is -1"):
        SelectionOptions(min_seconds=-1)


def test_text_that_is_no_label_file_changes_nothing(tmp_path: Path) -> None:
    for label in "ab":
        (tmp_path / label).mkdir()
        soundfile.write(tmp_path / label / "x.wav", tone(300), SR)
        (tmp_path / label / "x.txt").write_text("spoken by someone\n")
    assert layouts.find(tmp_path).layout == "class-folders"


def test_trains_on_long_recordings(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    source = {"background": "nothing"}
    options = {"settings": [*TINY, "min_steps=100"]}
    result = earmark.train(write_long(tmp_path / "data"), tmp_path / "model", **source, **options)
    assert result.metrics["labels"] == ["high", "low", "nothing"]
    assert result.metrics["accuracy"] > 0.8


def test_each_label_file_belongs_to_the_longest_name_and_all_of_them_count(tmp_path: Path) -> None:
    for name in ("site", "site.1"):
        soundfile.write(tmp_path / f"{name}.wav", tone(300, 6.0), SR)
    header = "Begin Time (s)\tEnd Time (s)\tSpecies\n"
    (tmp_path / "site.Table.1.selections.txt").write_text(header + "0\t1\twren\n")
    (tmp_path / "site.Table.2.selections.txt").write_text(header + "3\t4\trobin\n")
    (tmp_path / "site.1.txt").write_text("2\t3\tcrow\n")
    found = layouts.find(tmp_path).table
    assert sorted(zip(found["path"], found["start"], found["label"], strict=True)) == [
        ("site.1.wav", 2.0, "crow"),
        ("site.wav", 0.0, "wren"),
        ("site.wav", 3.0, "robin"),
    ]


def test_stretches_marked_without_a_name_are_no_background(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(300, 9.0), SR)
    (tmp_path / "a.txt").write_text("0\t1\tx\n3\t5\t\n6\t7\tx\n8\t9\tx\n")
    found = layouts.find(tmp_path, selections=SelectionOptions(background="nothing")).table
    starts = found.loc[found["label"] == "nothing", "start"].tolist()
    assert len(starts) == 3 and set(starts) < {1, 2, 5, 7}


def test_a_fault_labelled_in_a_flat_folder_is_not_learnt_as_normal(tmp_path: Path) -> None:
    for i in range(5):
        soundfile.write(tmp_path / f"{i}.wav", tone(300, 1.0, seed=i), SR)
    assert layouts.find(tmp_path, unlabelled_as="normal").layout == layouts.WITHOUT_LABELS
    (tmp_path / "3.txt").write_text("0.2\t0.5\tbearing fault\n")
    with pytest.raises(DataError, match="1 of its 5 recordings have label files .* layout='recordings' to ignore them"):
        layouts.find(tmp_path, unlabelled_as="normal")
    assert len(layouts.find(tmp_path, unlabelled_as="normal", layout=layouts.WITHOUT_LABELS)) == 5


def test_label_files_in_other_layouts_are_asked_about_too(tmp_path: Path) -> None:
    for name in ("train/normal/a", "test/normal/b", "test/normal/c"):
        (tmp_path / "split" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "split" / f"{name}.wav", tone(300, 1.0), SR)
    (tmp_path / "split" / "train" / "normal" / "a.txt").write_text("0.2\t0.5\tbearing fault\n")
    with pytest.raises(DataError, match="layout='split-folders' to ignore them"):
        layouts.find(tmp_path / "split")
    (tmp_path / "flat").mkdir()
    for i in range(3):
        soundfile.write(tmp_path / "flat" / f"{i}.wav", tone(300, 1.0), SR)
    (tmp_path / "flat" / "0.txt").write_text("0.2\t0.5\twren\n")
    with pytest.raises(DataError, match="or layout='selections': 1 of its 3 recordings have labels beside them"):
        layouts.find(tmp_path / "flat")


def test_labels_without_a_name_are_counted(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(300, 5.0), SR)
    head = "Begin Time (s)\tEnd Time (s)\tAnnotation\tCode\n"
    (tmp_path / "a.txt").write_text(head + "0\t1\t\twren\n2\t3\t\towl\n")
    with pytest.raises(DataError, match="makes a clip: 2 labels without a name .of tables, label_column=COLUMN"):
        layouts.find(tmp_path)
    assert layouts.find(tmp_path, selections=SelectionOptions(label_column="Code")).labels == ["owl", "wren"]
    (tmp_path / "a.txt").write_text(head + "0\t1\twren\t\n2\t3\t\towl\n")
    manifest = layouts.find(tmp_path)
    assert manifest.labels == ["wren"]
    assert "excluded: 1 labels without a name (of tables, label_column=COLUMN names their column)" in manifest.notes
