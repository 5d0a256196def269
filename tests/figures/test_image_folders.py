"""Data sets to images: which folder and which name each image gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
import soundfile
from PIL import Image as Pillow

from conftest import tone
from earmark.data.options import DataOptions
from earmark.errors import DataError, SettingsError
from earmark.figures import images
from earmark.figures.images import ImageOptions
from earmark.figures.images.labels import folder_names, image_of, safe, tell_apart
from earmark.figures.images.names import Clip

SR = 8_000


def put(path: Path, frequency: float = 1000, seconds: float = 0.2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(frequency, seconds, SR), SR)
    return path


def table(folder: Path, *rows: str, name: str = "labels.csv") -> Path:
    """A table beside recordings, which are made too."""
    place = folder / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("\n".join(rows) + "\n", encoding="utf-8")
    for row in rows[1:]:
        put(folder / row.split(",")[0])
    return place


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def loudest_row(path: Path) -> int:
    return int(images.read(path)[0].mean(axis=1).argmax())


def test_class_folders_are_as_the_tree(tmp_path: Path) -> None:
    for name in ("dog/a.wav", "dog/a.flac", "dog/b.wav", "dog/deep/a.wav", "cat/c.wav"):
        put(tmp_path / "in" / name)
    done = images.write(tmp_path / "in", tmp_path / "out")
    images.write(tmp_path / "in", tmp_path / "tree", options=ImageOptions(folders="tree"))
    assert tree(tmp_path / "out") == tree(tmp_path / "tree")
    assert tree(tmp_path / "out") == ["cat/c.png", "dog/a.flac.png", "dog/a.wav.png", "dog/b.png", "dog/deep/a.png"]
    assert (done.folders, done.counts, done.with_extension) == ("labels", {"cat": 1, "dog": 4}, 2)
    assert done.notes == ()
    again = images.write(tmp_path / "in", tmp_path / "tree")
    assert len(again.skipped) == 5 and again.counts == {"cat": 1, "dog": 4}


def test_a_flat_folder_with_a_table(tmp_path: Path) -> None:
    table(tmp_path / "in", "file,label", "a.wav,dog", "b.wav,cat", "c.wav,dog")
    done = images.write(tmp_path / "in", tmp_path / "out")
    assert tree(tmp_path / "out") == ["cat/b.png", "dog/a.png", "dog/c.png"]
    assert done.counts == {"cat": 1, "dog": 2}
    assert done.to_dict()["folders"] == "labels" and done.to_dict()["counts"] == done.counts
    given = images.write(tmp_path / "in" / "labels.csv", tmp_path / "out")
    assert len(given.skipped) == 3


def test_labels_in_names(tmp_path: Path) -> None:
    for digit in (0, 1):
        for speaker in ("ann", "bob"):
            for index in (3, 7):
                put(tmp_path / "in" / "recordings" / f"{digit}_{speaker}_{index}.wav", 500 + 500 * digit)
    done = images.write(tmp_path / "in", tmp_path / "out")
    assert done.counts == {"test/0": 2, "test/1": 2, "train/0": 2, "train/1": 2}  # FSDD comes with a split
    assert tree(tmp_path / "out")[:2] == ["test/0/0_ann_3.png", "test/0/0_bob_3.png"]


def test_split_folders(tmp_path: Path) -> None:
    for name in ("training/dog/a.wav", "training/cat/a.wav", "val/dog/a.wav", "val/dog/deep/a.wav", "test/cat/b.wav"):
        put(tmp_path / "in" / name)
    done = images.write(tmp_path / "in", tmp_path / "out")
    assert tree(tmp_path / "out") == [
        "test/cat/b.png", "train/cat/a.png", "train/dog/a.png", "valid/dog/a.png", "valid/dog/deep/a.png",
    ]  # fmt: skip
    assert done.counts == {"test/cat": 1, "train/cat": 1, "train/dog": 1, "valid/dog": 2}


def test_clips_without_a_split_do_not_take_the_folder_of_one(tmp_path: Path) -> None:
    place = table(tmp_path / "in", "path,label,split", "a.wav,train,", "b.wav,dog,train", "c.wav,dog,test")
    images.write(place, tmp_path / "out")
    assert tree(tmp_path / "out") == ["test/dog/c.png", "train/dog/b.png", "unsplit/train/a.png"]


def test_segments_are_images_of_their_own(tmp_path: Path) -> None:
    sound = np.concatenate([tone(500, 1.0, SR), tone(3000, 1.0, SR)])
    (tmp_path / "in").mkdir()
    soundfile.write(tmp_path / "in" / "day.wav", sound, SR)
    place = tmp_path / "in" / "labels.csv"
    rows = ("0,1,low", "1.25,1.75,high", "1.25,2.0004,high", "1,9,high")
    place.write_text("path,start,end,label\n" + "".join(f"day.wav,{row}\n" for row in rows))
    done = images.write(place, tmp_path / "out", options=ImageOptions(colors="gray"))
    assert tree(tmp_path / "out") == [
        "high/day_1.250s-1.750s.png", "high/day_1.250s-2.000s.png", "low/day_0.000s.png",
    ]  # fmt: skip
    assert done.counts == {"high": 2, "low": 1}
    ((path, why),) = done.failed
    assert path.name == "day.wav" and "the clip from 1 s to 9 s lies past the recording's end at 2.000 s" in why
    low, high = (tmp_path / "out" / name for name in ("low/day_0.000s.png", "high/day_1.250s-1.750s.png"))
    assert loudest_row(low) < 15 < 40 < loudest_row(high)
    info = images.read(high)[1]
    assert (info["source"], info["start"], info["end"]) == ("day.wav", 1.25, 1.75)
    assert info["frames"] == 1 + int((0.5 - info["front_end"]["fft_seconds"]) / info["hop_seconds"] + 1e-9)
    place.write_text(place.read_text().replace("0,1,low", "0,1.5,low"))
    again = images.write(place, tmp_path / "out", options=ImageOptions(colors="gray"))
    assert [p.name for p in again.written] == ["day_0.000s.png"] and len(again.skipped) == 2


def test_label_files_beside_long_recordings_and_processes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path / "in" / f"{name}.wav", seconds=3)
        (tmp_path / "in" / f"{name}.txt").write_text("0.5\t1.0\twren\n1.5\t2.5\trobin\n2.0\t3.0\twren\n")
    done = images.write(tmp_path / "in", tmp_path / "out", workers=2)
    assert tree(tmp_path / "out") == [
        "robin/a_1.500s.png", "robin/b_1.500s.png", "wren/a_0.500s.png", "wren/a_2.000s.png", "wren/b_0.500s.png",
        "wren/b_2.000s.png",
    ]  # fmt: skip
    assert (done.counts, done.failed) == ({"robin": 2, "wren": 4}, ())
    figure = ImageOptions(figure=True)
    (path, *_) = images.write(tmp_path / "in", tmp_path / "figures", options=figure).written
    with Pillow.open(path) as image:
        assert image.size == (960, 360)


def test_multilabel_clips(tmp_path: Path) -> None:
    place = table(
        tmp_path / "in", "path,label", "a.wav,rain;dog", "b.wav,dog;rain", "c.wav,", "d.wav,rain", "e.wav,unlabelled"
    )
    done = images.write(place, tmp_path / "out")
    assert done.counts == {"dog+rain": 2, "rain": 1, "unlabelled": 1, "unlabelled_2": 1}
    assert tree(tmp_path / "out") == [
        "dog+rain/a.png", "dog+rain/b.png", "rain/d.png", "unlabelled/c.png", "unlabelled_2/e.png",
    ]  # fmt: skip
    assert "labels in folders of another name: 'unlabelled' in unlabelled_2" in done.notes


def test_recordings_of_one_name_with_one_label(tmp_path: Path) -> None:
    rows = ("x/1/a.wav,dog", "x/2/a.wav,dog", "y/2/a.wav,dog", "y/2/b.wav,dog", "y/a.wav,cat", "y/2/A.wav,dog")
    place = table(tmp_path / "in", "path,label", *rows)
    done = images.write(place, tmp_path / "out")
    assert tree(tmp_path / "out") == [
        "cat/a.png", "dog/1-a.png", "dog/b.png", "dog/x-2-a.png", "dog/y-2-A.wav-2.png", "dog/y-2-a.wav.png",
    ]  # fmt: skip
    assert any("4 images are named after the recording's folder too" in note for note in done.notes)
    sources = {images.read(p)[1]["source_state"] for p in done.written}
    assert len(sources) == 6


def test_include_takes_some_labels_and_its_errors_are_raised(tmp_path: Path) -> None:
    for name in ("dog/a.wav", "cat/a.wav", "cow/a.wav"):
        put(tmp_path / "in" / name)
    done = images.write(tmp_path / "in", tmp_path / "out", source=DataOptions(include=["dog", "cow"]))
    assert tree(tmp_path / "out") == ["cow/a.png", "dog/a.png"] and done.counts == {"cow": 1, "dog": 1}
    with pytest.raises(DataError, match=r"has no label 'dgo'; it has cat, cow, dog"):
        images.write(tmp_path / "in", tmp_path / "no", source=DataOptions(include=["dgo"]))
    with pytest.raises(DataError, match=r"2 paths were given; labels are read from one data set: give one folder"):
        images.write([tmp_path / "in"] * 2, tmp_path / "no", source=DataOptions(include=["dog"]))
    with pytest.raises(SettingsError, match=r"folders is 'tree', which reads no labels; .*: remove them, or choose"):
        chosen = ImageOptions(folders="tree")
        images.write(tmp_path / "in", tmp_path / "no", options=chosen, source=DataOptions(include=["dog"]))
    with pytest.raises(SettingsError, match=r"folders is 'label'; choose auto, labels or tree"):
        images.write(tmp_path / "in", tmp_path / "no", options=ImageOptions(folders="label"))
    assert not (tmp_path / "no").exists()


def test_what_has_no_labels_is_a_tree(tmp_path: Path) -> None:
    for name in ("1.wav", "2.wav", "deep/3.wav"):
        put(tmp_path / "in" / name)
    (tmp_path / "in" / "deep" / "3.wav").rename(tmp_path / "in" / "3.wav")
    done = images.write(tmp_path / "in", tmp_path / "out", source=DataOptions())
    assert tree(tmp_path / "out") == ["1.png", "2.png", "3.png"]
    assert (done.folders, done.counts) == ("tree", {})
    assert len(done.notes) == 1 and done.notes[0].startswith(
        f"the folders of the recordings are kept, since their labels are unknown: {tmp_path / 'in'}: "
    )
    with pytest.raises(DataError, match=r"in: "):
        images.write(tmp_path / "in", tmp_path / "out", options=ImageOptions(folders="labels"))
    assert images.write(tmp_path / "in" / "1.wav", tmp_path / "out").notes == ()
    several = images.write([tmp_path / "in" / "1.wav", tmp_path / "in" / "2.wav"], tmp_path / "out")
    assert (several.folders, len(several.skipped)) == ("tree", 2)


def test_a_table_that_cannot_be_read_is_not_taken_for_a_recording(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n1,2\n")
    with pytest.raises(DataError, match=r"a\.csv: .*column"):
        images.write(tmp_path / "a.csv", tmp_path / "out")


def test_recordings_without_a_label_and_missing_ones_are_told(tmp_path: Path) -> None:
    for name in (*(f"{label}/{i}.wav" for label in ("dog", "cat") for i in range(5)), "loose.wav"):
        put(tmp_path / "in" / name)
    done = images.write(tmp_path / "in", tmp_path / "out")
    assert done.counts == {"cat": 5, "dog": 5} and len(tree(tmp_path / "out")) == 10
    (note,) = done.notes
    assert note.startswith("1 recording has no label in layout class-folders and no image (first: loose.wav)")
    place = table(tmp_path / "t", "path,label", "a.wav,dog", "b.wav,cat")
    (tmp_path / "t" / "b.wav").unlink()
    ((path, why),) = images.write(place, tmp_path / "out2").failed
    assert path.name == "b.wav" and "missing" in why
    with pytest.raises(DataError, match=r"1 of 2 images cannot be made, e\.g\. .*b\.wav: missing.*remove strict=True"):
        images.write(place, tmp_path / "out2", source=DataOptions(strict=True))


def test_labels_never_leave_the_folder(tmp_path: Path) -> None:
    place = table(tmp_path / "in" / "deep", "path,label", "a.wav,../up", "b.wav,..", "c.wav,/etc/x", "d.wav,a\\b:c")
    done = images.write(place, tmp_path / "out")
    assert tree(tmp_path / "out") == ["_._up/a.png", "_/b.png", "_etc_x/c.png", "a_b_c/d.png"]
    assert len(done.written) == 4
    # Nor do the folders of recordings that are kept below a label's.
    put(tmp_path / "in" / "dog" / "a.wav")
    place = tmp_path / "in" / "deep" / "more.csv"
    place.write_text("path,label\n../dog/../dog/a.wav,..\na.wav,dog\n")
    assert tree(images.write(place, tmp_path / "out3").written[0].parents[1]) == ["_/a.png", "dog/a.png"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("dog", "dog"), ("Ü $^x", "Ü $^x"), (".", "_"), ("..", "_"), (".hidden", "_hidden"), ("a.", "a"), ("con", "_con"),
        ("nul.wav", "_nul.wav"), ("a\0b\n", "a_b_"), (" ", "_"), ("x" * 999, "x" * 150), ("ü" * 99, "ü" * 75),
    ],
)  # fmt: skip
def test_safe_names(text: str, name: str) -> None:
    assert safe(text) == name


def test_no_two_labels_in_one_folder() -> None:
    values = [
        "a:b",
        "a_b",
        "A_B",
        "dog",
        "Dog",
        "e\u0301",
        "\u00e9",
        "x;y",
        "x+y",
        "",
        "z" * 200 + "1",
        "z" * 200 + "2",
    ]
    names = folder_names(values, ";")
    keys = {name.casefold() for name in names.values()}
    assert len(keys) == len(values)
    assert (names["a:b"], names["A_B"], names["a_b"]) == ("a_b_3", "A_B", "a_b_2")
    assert (names["x+y"], names["x;y"], names[""]) == ("x+y", "x+y_2", "unlabelled")


def test_names_are_told_apart_until_nothing_is_left() -> None:
    clips = [("x/a.wav", 0.0, 1.0), ("x/a.wav", 0.0001, 1.0), ("x-a.wav", 0.0, 1.0), (f"{'n' * 250}.wav", 0.0, 1.0)]
    made = [image_of(Clip(Path(path), start, end), PurePosixPath(path), "l", "l", "") for path, start, end in clips]
    tell_apart(made)
    names = [image.target.removeprefix("l/") for image in made]
    assert names[:3] == ["a_0.000s.png", "a_0.000s-2.png", "x-a_0.000s.png"]
    assert len(names[3]) == 255 and names[3].endswith("n_0.000s.png")


def test_a_run_with_nothing_to_do_needs_no_torch(tmp_path: Path) -> None:
    table(tmp_path / "in", "file,label", "a.wav,dog", "b.wav,cat")
    images.write(tmp_path / "in", tmp_path / "out")
    code = (
        "import sys; from earmark.figures import images\n"
        f"done = images.write({str(tmp_path / 'in')!r}, {str(tmp_path / 'out')!r}, options=images.ImageOptions(colors='gray'))\n"
        "assert len(done.skipped) == 2, done\n"
        "print([m for m in ('torch', 'matplotlib') if m in sys.modules])"
    )
    images.write(tmp_path / "in", tmp_path / "out", options=ImageOptions(colors="gray"))
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
