"""Public and private data sets as they lie on disk: the reading that a person would choose, or a question."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from trees import SR, TEN, make, rows, write_site

from earmark.data import layouts
from earmark.data.selections import SelectionOptions
from earmark.errors import DataError

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
@pytest.mark.parametrize("unlabelled_as", [None, "normal"])
def test_the_clearest_reading_is_taken(tmp_path: Path, name: str, unlabelled_as: str | None) -> None:
    files, texts, (layout, labels) = READ[name]
    manifest = layouts.find(make(tmp_path, *files, **texts), unlabelled_as=unlabelled_as)
    assert (manifest.layout, manifest.labels) == (layout, labels)
    count = len([f for f in files if f != "test.wav"])
    assert len(manifest) == manifest.table["path"].nunique() == count
    assert all(path.is_file() for path in manifest.paths)


ASKED = {
    "two data sets in one folder": (
        [f"setA/{c}/{i}.wav" for c in ("dog", "cat") for i in TEN]
        + [f"setB/recordings/{d}_theo_{i}.wav" for d in (1, 2) for i in TEN],
        {},
        ["layout='class-folders   # labels setA, setB", "/setA", "/setB"],
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
            "layout='class-folders   # labels birds, frogs",
            "pattern=r'[^/]+/(?P<label>[^/]+)/.*   # labels owl, toad, tree frog, wren",
        ],
    ),
    "speakers by name above labels": (
        [f"{s}/{w}/{i}.wav" for s in ("ann", "bob") for w in ("yes", "no") for i in TEN],
        {},
        ["layout='class-folders", "pattern=r'(?P<group>[^/]+)/(?P<label>[^/]+)/.*"],
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
    assert all(line.startswith(f"  earmark.scan('{tmp_path}") for line in lines[1:])
    for way in ways:
        assert any(
            way in line.replace("'   #", "   #").replace("')", "").replace(")   #", "   #") for line in lines[1:]
        ), way
    for line in lines[1:]:
        call = ast.parse(line.split("   #")[0].strip(), mode="eval").body
        assert isinstance(call, ast.Call)
        layouts.find(ast.literal_eval(call.args[0]), **{k.arg: ast.literal_eval(k.value) for k in call.keywords})


REFUSED = {
    "times that are not understood": (
        "file,Syllable Onset,label",
        lambda i: f"{i}.wav,0.5,{'ab'[i % 2]}",
        "column 'Syllable Onset' looks like",
    ),
    "no labels": (
        "file,site,who",
        lambda i: f"{i}.wav,s{i},{'ab'[i % 2]}",
        r"has no column that holds the labels .*label_column=COLUMN \(who\)",
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
        layouts.find(tmp_path, unlabelled_as="normal")


def test_the_split_of_tables_named_after_it(tmp_path: Path) -> None:
    files, texts, _ = READ["a table for each part, names without extensions"]
    counts = layouts.find(make(tmp_path, *files, **texts)).table["split"].value_counts()
    assert counts.to_dict() == {"test": 10, "train": 8, "valid": 2}


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
            manifest = layouts.find(root, unlabelled_as="normal")
        except DataError:
            return
        files = manifest.files
        assert files is not None
        every = sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())
        named = [*files.used, *(p for paths in (*files.skipped.values(), *files.unused.values()) for p in paths)]
        assert sorted(named) == every and files.total == len(every)
        assert {path for path in manifest.table["path"] if (root / path).is_file()} <= set(files.used)


@pytest.mark.parametrize(
    ("files", "unlabelled_as", "layout", "labels"),
    [
        ([f"normal/{i}.wav" for i in TEN], "normal", "class-folders", ["normal"]),
        ([f"data/{i}.wav" for i in TEN], "normal", "recordings", ["normal"]),
        ([f"dog/{i}.wav" for i in TEN], None, "class-folders", ["dog"]),
        ([f"REC{i:03d}.wav" for i in TEN], "normal", "recordings", ["normal"]),
        ([f"2024-05-0{i % 3}/{i}.wav" for i in TEN], "ok", "recordings", ["ok"]),
    ],
)
def test_one_label(tmp_path: Path, files: list[str], unlabelled_as: str | None, layout: str, labels: list[str]) -> None:
    manifest = layouts.find(make(tmp_path, *files), unlabelled_as=unlabelled_as)
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
    with pytest.raises(DataError, match="label_column is 'x', but no table was read; remove it"):
        layouts.find(tmp_path, selections=SelectionOptions(label_column="x"))
