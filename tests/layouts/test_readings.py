"""Public and private data sets as they lie on disk: the reading that a person would choose, or a question."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from earmark import layouts
from earmark.errors import DataError
from earmark.selections import SelectionOptions

SR = 8_000
TEN = range(10)


def make(root: Path, *names: str, **texts: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    for name, text in texts.items():
        place = root / name.replace("__", "/").replace("_dot_", ".")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return root


def rows(header: str, lines: Callable[[int], str], count: int = 10) -> str:
    return "\n".join([header, *map(lines, range(count))]) + "\n"


# Files, tables, then layout and labels.
READ = {
    "classes below one folder, with a table": (
        [f"wavfiles/{c}/{c}{i}.wav" for c in ("Cello", "Flute") for i in TEN],
        {"instruments_dot_csv": rows("fname,label", lambda i: f"Cello{i}.wav,Cello\nFlute{i}.wav,Flute")},
        ("table", ["Cello", "Flute"]),
    ),
    "classes below one folder": (
        [f"wavfiles/{c}/{i}.wav" for c in ("Cello", "Flute") for i in TEN],
        {},
        ("folders", ["Cello", "Flute"]),
    ),
    "a table beside its recordings in a folder": (
        [f"data/d{i}.wav" for i in TEN],
        {
            "data__motors_dot_csv": rows(
                "Filename,ClassId,Classname", lambda i: f"d{i}.wav,{i % 2},{('1', '4*')[i % 2]}"
            )
        },
        ("table", ["1", "4*"]),
    ),
    "labels at the front of the names": (
        [f"{n} {i}.wav" for n in ("Alto Sax", "Bass Drum") for i in TEN],
        {},
        ("names", ["Alto Sax", "Bass Drum"]),
    ),
    "labels at the end of the names": (
        [f"f{i:03d}_0_{w}.wav" for i in TEN for w in ("cough", "sigh")],
        {},
        ("names", ["cough", "sigh"]),
    ),
    "speakers above labels": (
        [f"speaker{s:02d}/{w}/{i}.wav" for s in range(4) for w in ("yes", "no") for i in TEN],
        {},
        ("folders", ["no", "yes"]),
    ),
    "machines above conditions": (
        [f"{m}/{c}/{i}.wav" for m in ("press", "fan") for c in ("normal", "fault") for i in TEN],
        {},
        ("folders", ["fault", "normal"]),
    ),
    "sessions below labels": (
        [f"{c}/session{s}/{i}.wav" for c in ("dog", "cat") for s in (1, 2) for i in TEN],
        {},
        ("class-folders", ["cat", "dog"]),
    ),
    "split folders below others": (
        [f"a/b/{s}/{c}/{i}.wav" for s in ("train", "test") for c in ("dog", "cat") for i in TEN],
        {},
        ("folders", ["cat", "dog"]),
    ),
    "a table for each part, names without extensions": (
        [f"dev/{i}.wav" for i in TEN] + [f"eval/{i + 10}.wav" for i in TEN],
        {
            "meta__dev_dot_csv": rows(
                "fname,labels,split", lambda i: f"{i},{'ab'[i % 2]},{'train' if i < 8 else 'val'}"
            ),
            "meta__eval_dot_csv": rows("fname,labels", lambda i: f"{i + 10},{'ab'[i % 2]}"),
        },
        ("table", ["a", "b"]),
    ),
    "tables without a header in several folders": (
        [f"training-{c}/{c}{i}.wav" for c in "ab" for i in TEN],
        {
            f"training-{c}__REFERENCE_dot_csv": rows(f"{c}0,1", lambda i, c=c: f"{c}{i},{i % 2 * 2 - 1}").replace(
                f"{c}0,1\n", "", 1
            )
            for c in "ab"
        },
        ("table", ["-1", "1"]),
    ),
    "a text table without a header": (
        [f"audio/b{i}.wav" for i in TEN],
        {"meta_dot_txt": "".join(f"audio/b{i}.wav\t{('beach', 'bus')[i % 2]}\tb{i // 2}\n" for i in TEN)},
        ("table", ["beach", "bus"]),
    ),
    "a column for each label": (
        [f"c/{i}.wav" for i in TEN],
        {"labels_dot_csv": rows("filename,dog,rain", lambda i: f"{i}.wav,{i % 2},1")},
        ("table", ["dog", "rain"]),
    ),
    "a species table with lists": (
        [f"train_audio/{s}/XC{i}{s}.ogg" for s in ("owl", "wren") for i in TEN],
        {
            "train_metadata_dot_csv": rows(
                "primary_label,secondary_labels,filename,time",
                lambda i: f"owl,\"['wren']\",owl/XC{i}owl.ogg,06:30\nwren,[],wren/XC{i}wren.ogg,06:30",
            )
        },
        ("table", ["owl", "wren"]),
    ),
    "one stray file": (
        [f"{c}/{i}.wav" for c in ("dog", "cat") for i in range(4)] + ["test.wav"],
        {},
        ("class-folders", ["cat", "dog"]),
    ),
    "digits": ([f"{d}/{i}.wav" for d in TEN for i in range(3)], {}, ("class-folders", [str(d) for d in TEN])),
}


@pytest.mark.parametrize("name", list(READ))
@pytest.mark.parametrize("alone", [None, "normal"])
def test_the_clearest_reading_is_taken(tmp_path: Path, name: str, alone: str | None) -> None:
    files, texts, (layout, labels) = READ[name]
    manifest = layouts.find(make(tmp_path, *files, **texts), alone=alone)
    assert (manifest.layout, manifest.labels) == (layout, labels)
    count = len([f for f in files if f != "test.wav"])
    assert len(manifest) == manifest.table["path"].nunique() == count
    assert all(path.is_file() for path in manifest.paths)


ASKED = {
    "two data sets in one folder": (
        [f"setA/{c}/{i}.wav" for c in ("dog", "cat") for i in TEN]
        + [f"setB/recordings/{d}_theo_{i}.wav" for d in (1, 2) for i in TEN],
        {},
        ["--layout class-folders   # labels setA, setB", "/setA", "/setB"],
    ),
    "data sets with tables": (
        [f"{s}/{i}.wav" for s in ("alpha", "beta") for i in TEN],
        {
            f"{s}__t_dot_csv": rows(f"file,{c}", lambda i: f"{i}.wav,{i % 2}")
            for s, c in (("alpha", "class"), ("beta", "word"))
        },
        ["/alpha/t.csv   # 2 labels", "/beta/t.csv   # 2 labels"],
    ),
    "two levels of words": (
        [f"birds/{b}/{i}.wav" for b in ("wren", "owl") for i in TEN]
        + [f"frogs/{b}/{i}.wav" for b in ("toad", "tree frog") for i in TEN],
        {},
        [
            "--layout class-folders   # labels birds, frogs",
            "--pattern '[^/]+/(?P<label>[^/]+)/.*'   # labels owl, toad, tree frog, wren",
        ],
    ),
    "speakers by name above labels": (
        [f"{s}/{w}/{i}.wav" for s in ("ann", "bob") for w in ("yes", "no") for i in TEN],
        {},
        ["--layout class-folders", "--pattern '(?P<group>[^/]+)/(?P<label>[^/]+)/.*'"],
    ),
    "two words in each name": (
        [f"{1000 + i}_{s}_{e}_XX.wav" for i in TEN for s in ("DFA", "IEO") for e in ("ANG", "SAD")],
        {},
        ["# labels DFA, IEO", "# labels ANG, SAD"],
    ),
    "tables that contradict each other": (
        [f"wav/{i}.wav" for i in TEN],
        {
            "emotion_dot_csv": rows("file,emotion", lambda i: f"{i}.wav,{('sad', 'glad')[i % 2]}"),
            "gender_dot_csv": rows("file,label", lambda i: f"{i}.wav,{('m', 'f')[i // 5]}"),
        },
        ["/emotion.csv   # 2 labels", "/gender.csv   # 2 labels"],
    ),
}


@pytest.mark.parametrize("name", list(ASKED))
def test_what_is_not_clear_is_asked_with_ready_commands(tmp_path: Path, name: str) -> None:
    files, texts, ways = ASKED[name]
    with pytest.raises(DataError) as stop:
        layouts.find(make(tmp_path, *files, **texts))
    lines = str(stop.value).splitlines()
    assert all(line.startswith(f"  earmark scan {tmp_path}") for line in lines[1:])
    for way in ways:
        assert any(way in line for line in lines[1:]), way
    for line in lines[1:]:
        if "--layout" in line or "--pattern" in line:
            option, value = line.split("   #")[0].split(" --")[1].split(" ", 1)
            assert len(layouts.find(tmp_path, **{option: value.strip("'")}).labels) > 1


REFUSED = {
    "times that are not understood": (
        "file,Syllable Onset,label",
        lambda i: f"{i}.wav,0.5,{'ab'[i % 2]}",
        "column 'Syllable Onset' looks like",
    ),
    "no labels": (
        "file,site,who",
        lambda i: f"{i}.wav,s{i},{'ab'[i % 2]}",
        r"has no column that holds the labels .*--label-column \(who\)",
    ),
    "no split": (
        "file,label,Split",
        lambda i: f"{i}.wav,{'ab'[i % 2]},TR",
        "split is 'tr'; use one of train, valid, test",
    ),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_a_table_of_most_recordings_is_not_passed_over(tmp_path: Path, name: str) -> None:
    header, line, said = REFUSED[name]
    make(tmp_path, *(f"wav/{i}.wav" for i in TEN), table_dot_csv=rows(header, line))
    with pytest.raises(DataError, match=said):
        layouts.find(tmp_path, alone="normal")


def test_the_split_of_tables_named_after_it(tmp_path: Path) -> None:
    files, texts, _ = READ["a table for each part, names without extensions"]
    counts = layouts.find(make(tmp_path, *files, **texts)).table["split"].value_counts()
    assert counts.to_dict() == {"test": 10, "train": 8, "valid": 2}


def write_site(root: Path, name: str, seconds: float = 20.0) -> None:
    noise = np.random.default_rng(len(name)).normal(size=round(seconds * SR)) * 0.01
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(root / name, noise, SR)


EVENTS = [(2.0, 3.0, "owl"), (6.0, 7.0, "wren"), (11.0, 12.5, "owl"), (15.0, 16.0, "wren")]
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
        ("file,second,label", "site{k}.wav,{a},{x}", "labels without a length .--label-seconds"),
        ("file,pos (s),label", "site{k}.wav,{a},{x}", "labels without a length .--label-seconds"),
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
    with pytest.raises(DataError, match=r"makes a clip: 3 labels without a length \(--label-seconds 1 makes a clip"):
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
        match=r"1 file is not used: 1 label files of unknown format \(first: site1.txt\); .*--layout recordings",
    ):
        layouts.find(tmp_path, alone="normal")
    assert layouts.find(tmp_path, alone="normal", layout="recordings").labels == ["normal"]


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
    assert layouts.find(tmp_path, alone="normal").labels == ["normal"]
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=f"first: {name}.; if these are no labels, pass --layout recordings"):
        layouts.find(tmp_path, alone="normal")


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
    with pytest.raises(DataError, match=r"is a recording, not a data set; give its folder, or .*earmark predict MODEL"):
        layouts.find(tmp_path / "one.wav")


NAMES = [
    "dog/a.wav", "dog/b.flac", "cat/c", "cat/d.3gp", "dog/a.txt", "notes.txt", "README.md", "x/y.png", ".hidden", "t.csv",
    "cat/e.bin", "z.zip", "cat/f.wav", "sub/deep/g.mp3", "Thumbs.db", "labels.json", "cat/c.csv", "metadata.csv",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(NAMES), min_size=1, unique=True),
    st.sampled_from(
        [
            "x",
            "path,label\ndog/a.wav,dog\ncat/c,cat\n",
            "0\t1\towl\n",
            "filename,onset,offset,event_label\ndog/a.wav,0,1,owl\n",
        ]
    ),
)
def test_every_file_is_used_skipped_or_reported(names: list[str], text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            if name.endswith((".txt", ".csv", ".json")):
                (root / name).write_text(text)
            elif name in ("cat/c", "cat/d.3gp"):
                soundfile.write(root / name, np.zeros(SR) + 0.1, SR, format="WAV")
            else:
                (root / name).write_bytes(b"x")
        try:
            manifest = layouts.find(root, alone="normal")
        except DataError:
            return
        files = manifest.files
        assert files is not None
        every = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
        named = [*files.used, *(p for paths in (*files.skipped.values(), *files.unused.values()) for p in paths)]
        assert sorted(named) == every and files.total == len(every)
        assert {path for path in manifest.table["path"] if (root / path).is_file()} <= set(files.used)


@pytest.mark.parametrize(
    ("files", "alone", "layout", "labels"),
    [
        ([f"normal/{i}.wav" for i in TEN], "normal", "class-folders", ["normal"]),
        ([f"data/{i}.wav" for i in TEN], "normal", "recordings", ["normal"]),
        ([f"dog/{i}.wav" for i in TEN], None, "class-folders", ["dog"]),
        ([f"REC{i:03d}.wav" for i in TEN], "normal", "recordings", ["normal"]),
        ([f"2024-05-0{i % 3}/{i}.wav" for i in TEN], "ok", "recordings", ["ok"]),
    ],
)
def test_one_label(tmp_path: Path, files: list[str], alone: str | None, layout: str, labels: list[str]) -> None:
    manifest = layouts.find(make(tmp_path, *files), alone=alone)
    assert (manifest.layout, manifest.labels) == (layout, labels)


def test_labels_in_a_folder_of_their_own(tmp_path: Path) -> None:
    for k in range(3):
        write_site(tmp_path, f"audio/site{k}.wav")
        (tmp_path / "labels").mkdir(exist_ok=True)
        (tmp_path / "labels" / f"site{k}.txt").write_text("1\t2\towl\n5\t6\twren\n")
    manifest = layouts.find(tmp_path)
    assert (manifest.layout, len(manifest)) == ("selections", 6)
    assert manifest.files is not None and len(manifest.files.used) == 6
    write_site(tmp_path, "other/site0.wav")  # now two recordings have the name
    manifest = layouts.find(tmp_path)
    assert sorted(set(manifest.table["path"])) == ["audio/site1.wav", "audio/site2.wav"]
    assert manifest.files is not None
    assert manifest.files.unused == {
        "recordings without labels": ("audio/site0.wav", "other/site0.wav"),
        "label files of unknown format": ("labels/site0.txt",),
    }


def test_an_option_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    make(tmp_path, *(f"{c}/{i}.wav" for c in ("dog", "cat") for i in TEN))
    with pytest.raises(DataError, match="--label-column is 'x', but no table was read; remove it"):
        layouts.find(tmp_path, selections=SelectionOptions(label_column="x"))
