"""Segments, points and times of recordings, in tables and in label files: read as they are meant, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from trees import EVENTS, TEN, make, rows, write_site

from earmark.data import layouts
from earmark.data.selections import SelectionOptions
from earmark.errors import DataError

TABLES = {
    "DCASE": ("strong.tsv", "filename\tonset\toffset\tevent_label", lambda k, a, b, x: f"site{k}.wav\t{a}\t{b}\t{x}"),
    "capitals": ("events.csv", "Filename,Start,End,Label", lambda k, a, b, x: f"SITE{k}.WAV,{a},{b},{x}"),
    "durations": (
        "kaleidoscope.csv",
        "IN FILE,OFFSET,DURATION,MANUAL ID",
        lambda k, a, b, x: f"site{k}.wav,{a},{b - a},{x}",
    ),
    "semicolons": (
        "de.csv",
        "Datei;Beginn;Ende;Art",
        lambda k, a, b, x: f"site{k}.wav;{a};{b};{x}".replace(".0", ",0").replace(".5", ",5"),
    ),
    "milliseconds": ("ms.csv", "file,start_ms,end_ms,species", lambda k, a, b, x: f"site{k},{a * 1000},{b * 1000},{x}"),
    "clock times": (
        "clock.csv",
        "file,start,stop,class",
        lambda k, a, b, x: f"site{k}.wav,0:{a:04.1f},00:00:{b:04.1f},{x}",
    ),
    "no header": ("meta.txt", "", lambda k, a, b, x: f"site{k}.wav\t{a}\t{b}\t{x}"),
    "Raven": (
        "all.Table.1.selections.txt",
        "Selection\tView\tBegin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tSpecies",
        lambda k, a, b, x: f"1\tSpectrogram 1\t{20 * k + a}\t{20 * k + b}\tsite{k}.wav\t{a}\t{x}",
    ),
    "Raven paths": (
        "all.Table.1.selections.txt",
        "Begin Path\tBegin Time (s)\tEnd Time (s)\tFile Offset (s)\tAnnotation",
        lambda k, a, b, x: f"C:\\field\\site{k}.wav\t{20 * k + a}\t{20 * k + b}\t{a}\t{x}",
    ),
}


@pytest.mark.parametrize("name", list(TABLES))
def test_one_table_of_events_over_all_recordings(tmp_path: Path, name: str) -> None:
    place, header, line = TABLES[name]
    for k in range(3):
        write_site(tmp_path, f"site{k}.wav")
    lines = [line(k, a, b, x) for k in range(3) for a, b, x in EVENTS]
    (tmp_path / place).write_text("\n".join([header, *lines] if header else lines) + "\n")
    manifest = layouts.find(tmp_path)
    assert (manifest.layout, manifest.grouped_by) == ("table", "recording")
    found = sorted(zip(*(manifest.table[c] for c in ("path", "start", "end", "label")), strict=True))
    assert found == sorted((f"site{k}.wav", a, b, x) for k in range(3) for a, b, x in EVENTS)
    assert manifest.files is not None and not manifest.files.unused
    named = layouts.find(tmp_path / place)
    assert len(named) == 12 and named.table["end"].max() == 16.0


@pytest.mark.parametrize(
    ("header", "line", "said"),
    [
        (
            "file,first_second,last_second,label",
            "site{k}.wav,{a},{b},{x}",
            "columns 'first_second' and 'last_second' may be start and end",
        ),
        ("file,t_lo,t_hi,label", "site{k}.wav,{a},{b},{x}", "columns 't_lo' and 't_hi' may be start and end"),
        ("file,A,B,label", "site{k}.wav,{a},{b},{x}", "columns 'A' and 'B' may be start and end"),
        (
            "file,start,alku,label",
            "site{k}.wav,{a},{b},{x}",
            "column 'start' is taken for times, and 'alku' may be one too",
        ),
        ("file,start,len_of_call,label", "site{k}.wav,{a},{c},{x}", "'len_of_call' may be one too"),
        ("file,t1,t2,label", "site{k}.wav,{a},{b},{x}", "column 't1' is taken for times, and 't2' may be one too"),
        ("file,segment,label", "site{k}.wav,{a}-{b},{x}", "column 'segment' looks like spans of time"),
        ("file,window,label", 'site{k}.wav,"[{a}, {b}]",{x}', "column 'window' looks like spans of time"),
        ("file,center,width,label", "site{k}.wav,{a},1,{x}", "column 'center' looks like times"),
        ("file,second,label", "site{k}.wav,{a},{x}", "labels without a length .label_seconds=1"),
        ("file,pos (s),label", "site{k}.wav,{a},{x}", "labels without a length .label_seconds=1"),
    ],
)
@pytest.mark.parametrize("each", [1, 4])
def test_times_by_other_names_are_not_passed_over(tmp_path: Path, header: str, line: str, said: str, each: int) -> None:
    for k in range(4):
        write_site(tmp_path, f"site{k}.wav")
    lines = [
        line.format(k=k, a=a, b=b, c=b - a, x=x) for k in range(4) for a, b, x in (EVENTS if each == 4 else [EVENTS[k]])
    ]
    (tmp_path / "t.csv").write_text("\n".join([header, *lines]) + "\n")
    for data in (tmp_path, tmp_path / "t.csv"):
        with pytest.raises(DataError, match=said):
            layouts.find(data)


def test_figures_that_rise_are_no_times(tmp_path: Path) -> None:
    for k in range(4):
        write_site(tmp_path, f"site{k}.wav")
    for header, values in (
        ("low_freq_khz,high_freq_khz", "1.5,4"),
        ("score_a,score_b", "0.2,0.8"),
        ("a,b,c,d", "1,2,3,4"),
    ):
        rows = [
            f"site{k}.wav,{'ab'[k % 2]},{','.join(str(float(v) + k / 10) for v in values.split(','))}" for k in range(4)
        ]
        (tmp_path / "t.csv").write_text("\n".join([f"file,label,{header}", *rows]) + "\n")
        assert layouts.find(tmp_path).table["end"].isna().all()


def test_time_and_duration_are_a_start_and_a_length(tmp_path: Path) -> None:
    for k in range(4):
        write_site(tmp_path, f"site{k}.wav")
    rows = [f"site{k}.wav,{a},{b - a},{x}" for k in range(4) for a, b, x in EVENTS]
    (tmp_path / "layer.csv").write_text("\n".join(["FILE,TIME,DURATION,LABEL", *rows]) + "\n")
    assert layouts.find(tmp_path).table[["start", "end"]].to_numpy().tolist() == [[a, b] for a, b, _ in EVENTS] * 4


def test_selections_over_several_recordings_without_offsets_are_refused_where_they_may_run_on(tmp_path: Path) -> None:
    for k in range(3):
        write_site(tmp_path, f"site{k}.wav")
    head = "Begin Time (s)\tEnd Time (s)\tBegin File\tSpecies\n"
    place = tmp_path / "all.txt"
    place.write_text(head + "".join(f"{20 * k + 1}\t{20 * k + 2}\tsite{k}.wav\towl\n" for k in range(3)))
    with pytest.raises(DataError, match="times may run on from one to the next; add the column 'File Offset"):
        layouts.find(tmp_path)
    place.write_text(head + "".join(f"{k + 1}\t{k + 2}\tsite{k}.wav\t{('owl', 'wren')[k % 2]}\n" for k in range(3)))
    assert layouts.find(tmp_path).table["start"].tolist() == [1.0, 2.0, 3.0]


def test_a_raven_table_named_after_the_first_of_its_recordings(tmp_path: Path) -> None:
    for k in range(3):
        write_site(tmp_path, f"site{k}.wav")
    head = "Begin Time (s)\tEnd Time (s)\tBegin File\tFile Offset (s)\tSpecies\n"
    lines = "".join(f"{20 * k + 1}\t{20 * k + 2}\tsite{k}.wav\t1\t{('owl', 'wren')[k % 2]}\n" for k in range(3))
    (tmp_path / "site0.Table.1.selections.txt").write_text(head + lines)
    found = layouts.find(tmp_path, layout="selections").table
    assert found[["path", "start"]].to_numpy().tolist() == [[f"site{k}.wav", 1.0] for k in range(3)]


def test_points_need_a_length(tmp_path: Path) -> None:
    write_site(tmp_path, "site.wav", 10.0)
    (tmp_path / "site.txt").write_text("0.2\t0.2\tclick\n5\t5\tclick\n9.9\t9.9\tsnap\n")
    with pytest.raises(DataError, match=r"makes a clip: 3 labels without a length \(label_seconds=1 makes a clip"):
        layouts.find(tmp_path)
    found = layouts.find(tmp_path, selections=SelectionOptions(label_seconds=1)).table
    assert found[["start", "end"]].to_numpy().tolist() == [[0, 1], [4.5, 5.5], [9, 10]]
    (tmp_path / "site.txt").unlink()
    (tmp_path / "points.csv").write_text("file,time (s),label\nsite.wav,5,click\nsite.wav,8,snap\n")
    found = layouts.find(tmp_path, selections=SelectionOptions(label_seconds=2)).table
    assert found[["start", "end"]].to_numpy().tolist() == [[4, 6], [7, 9]]


def test_a_time_of_day_is_no_time_in_a_recording(tmp_path: Path) -> None:
    for k in range(4):
        write_site(tmp_path, f"site{k}.wav", 2.0)
    (tmp_path / "t.csv").write_text(
        "file,time,label\n" + "".join(f"site{k}.wav,0{k}:30:00,{'ab'[k % 2]}\n" for k in range(4))
    )
    found = layouts.find(tmp_path).table
    assert found["end"].isna().all() and found["time"].tolist() == [f"0{k}:30:00" for k in range(4)]


def test_durations_shorter_than_the_recordings_are_refused(tmp_path: Path) -> None:
    for k in range(4):
        write_site(tmp_path, f"site{k}.wav", 4.0)
    text = "file,duration,label\n" + "".join(f"site{k}.wav,1.5,{'ab'[k % 2]}\n" for k in range(4))
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match="column 'duration' gives lengths shorter than the recordings'"):
        layouts.find(tmp_path)
    for length in ("4.0", "0:04", "240"):  # their own, or that of the whole song
        (tmp_path / "t.csv").write_text(text.replace("1.5", length))
        assert layouts.find(tmp_path).table["end"].isna().all()


def test_none_of_the_labels(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.wav", "c.wav", metadata_dot_csv="path,label\na.wav,x\nb.wav,\nc.wav,y\n")
    manifest = layouts.find(tmp_path)
    assert manifest.task == "multilabel" and manifest.labels == ["x", "y"]
    write_site(tmp_path / "long", "site.wav")
    (tmp_path / "long" / "site.txt").write_text("1\t2\towl\n5\t6\twren\n")
    found = layouts.find(tmp_path / "long", selections=SelectionOptions(background="none"))
    assert found.labels == ["owl", "wren"] and found.task == "multilabel"
    assert (found.table["label"] == "").sum() == 1


def test_a_detector_never_takes_labelled_calls_for_normal(tmp_path: Path) -> None:
    for k in range(3):
        write_site(tmp_path, f"site{k}.wav", 4.0)
    (tmp_path / "site1.txt").write_text("call from 1 to 2 s\n")
    with pytest.raises(
        DataError,
        match=r"1 file is not used: 1 label files of unknown format \(first: site1.txt\); .*layout='recordings'",
    ):
        layouts.find(tmp_path, unlabelled_as="normal")
    assert layouts.find(tmp_path, unlabelled_as="normal", layout="recordings").labels == ["normal"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("site1.eaf", "<x/>"),
        ("site1.srt", "1\n00:00:01,0 --> 00:00:02,0\ncall\n"),
        ("site1.wav.data", "[]"),
        ("notes.txt", "x"),
        ("m.xyz", "x"),
    ],
)
def test_what_may_be_labels_is_asked_about_before_all_is_normal(tmp_path: Path, name: str, text: str) -> None:
    for k in range(3):
        write_site(tmp_path, f"site{k}.wav", 4.0)
    (tmp_path / "README.md").write_text("x")
    assert layouts.find(tmp_path, unlabelled_as="normal").labels == ["normal"]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=f"first: {name}.; if these are no labels, pass layout='recordings'"):
        layouts.find(tmp_path, unlabelled_as="normal")


@pytest.mark.parametrize(
    "name", ["site{k}_labels.txt", "site{k}-annotations.txt", "labels_site{k}.txt", "ann/site{k}.wav.txt"]
)
def test_label_files_by_other_names(tmp_path: Path, name: str) -> None:
    for k in range(3):
        write_site(tmp_path, f"site{k}.wav")
        place = tmp_path / name.format(k=k)
        place.parent.mkdir(exist_ok=True)
        place.write_text("# made by hand\n1\t2\towl\n3\t4\towl\n5\t6\twren\n" if k else "")
    manifest = layouts.find(tmp_path, selections=SelectionOptions(background="none"))
    assert manifest.labels == ["owl", "wren"]
    assert manifest.files is not None and not manifest.files.unused
    assert (manifest.table["path"] == "site0.wav").any()  # nothing was labelled there, so that it is background


def test_points_with_a_label(tmp_path: Path) -> None:
    write_site(tmp_path, "site.wav")
    (tmp_path / "site.txt").write_text("2.5\tclick\n8\tsnap\n")
    found = layouts.find(tmp_path, selections=SelectionOptions(label_seconds=1)).table
    assert found[["start", "end", "label"]].to_numpy().tolist() == [[2, 3, "click"], [7.5, 8.5, "snap"]]


def test_what_a_tester_found(tmp_path: Path) -> None:
    """Inputs that were misread in silence: each is read as a person would, or refused."""
    for k in range(4):
        write_site(tmp_path, f"{k}.wav")
    place = tmp_path / "t.csv"

    def clips(text: str) -> list[list[object]]:
        place.write_text(text)
        return layouts.find(place).table[["path", "start", "end", "label"]].to_numpy().tolist()

    raven = "Begin File,File Offset (s),Delta Time (s),Species\n" + "".join(
        f"{k}.wav,{k},1,{'ab'[k % 2]}\n" for k in range(4)
    )
    assert clips(raven)[2] == ["2.wav", 2.0, 3.0, "a"]
    named = "id,sample,label\n" + "".join(f"{3 - k},{k}.wav,{'ab'[k % 2]}\n" for k in range(4))
    assert [row[0] for row in clips(named)] == [
        f"{k}.wav" for k in range(4)
    ]  # not by the number that is a file's stem too
    assert clips("file,start_ms,end_ms,label\n0.wav,00:01.5,2.5 s,a\n1.wav,1500,2500,b\n")[0][1:3] == [1.5, 2.5]
    assert clips("file,label\n0.wav,\"['a' 'b']\"\n1.wav,['a']\n")[0][3] == "a;b"
    for text, said in (
        ("file,onset,offset,duration,label\n0.wav,2,3,5,a\n", "contradict each other"),
        ("file,start,label\n0.wav,2,a\n0.wav,5,b\n", "has starts, but no column for the ends"),
        (
            "file,start,end,label\n0.wav,2000,3000,a\n1.wav,1,2,b\n",
            "1 of its 2 clips lie past the end .* 0.wav from 2000 s",
        ),
        ('file,label\n0.wav,"[{""start"": 1}]"\n', "is a list of annotations"),
        ("file,dog,cat,owl\n0.wav,1,0,0.5\n1.wav,0,1,1\n", "'owl' is not; correct it"),
    ):
        with pytest.raises(DataError, match=said):
            clips(text)


def test_parts_of_a_split_are_in_the_names_of_tables_or_their_folders(tmp_path: Path) -> None:
    make(tmp_path, *(f"data/{part}/{i}.wav" for part in ("train", "test") for i in TEN))
    for part in ("train", "test"):
        (tmp_path / "data" / part / "labels.csv").write_text(rows("file,label", lambda i: f"{i}.wav,{'ab'[i % 2]}"))
    (tmp_path / "sample_submission.csv").write_text(rows("file,label", lambda i: f"data/test/{i}.wav,x"))
    manifest = layouts.find(tmp_path)
    assert manifest.labels == ["a", "b"]
    assert manifest.table["split"].value_counts().to_dict() == {"test": 10, "train": 10}


def test_a_table_whose_names_fit_several_files_is_not_passed_over(tmp_path: Path) -> None:
    make(
        tmp_path,
        *(f"{day}/{i}.wav" for day in ("monday", "friday") for i in TEN),
        t_dot_csv=rows("file,label", lambda i: f"{i}.wav,x"),
    )
    with pytest.raises(DataError, match=r"10 of its 10 names lead to no recording, e.g. 0.wav: 2 files fit"):
        layouts.find(tmp_path)


def test_a_recording_is_no_data_set(tmp_path: Path) -> None:
    write_site(tmp_path, "one.wav", 1.0)
    with pytest.raises(DataError, match=r"is a recording, not a data set; give its folder, or .*earmark.predict"):
        layouts.find(tmp_path / "one.wav")
