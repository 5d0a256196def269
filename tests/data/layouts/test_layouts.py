from __future__ import annotations

from pathlib import Path

import pytest

from earmark.data import layouts
from earmark.errors import DataError


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


# Layout, files, the row of the first file: label, group, split, further columns.
TREES = [
    ("class-folders", ["dog/a.wav", "cat/deep/b.flac"], ("dog", "dog/a.wav", "", {})),
    ("split-folders", ["train/dog/a.wav", "Validation/dog/b.wav", "test/cat/c.wav"], ("dog", "train/dog/a.wav", "train", {})),
    ("fsdd", ["recordings/7_theo_4.wav", "recordings/7_theo_14.wav"], ("7", "theo", "test", {"index": "4"})),
    ("speech-commands", ["yes/0a7c2a8d_nohash_0.wav", "no/0a7c2a8d_nohash_1.wav"], ("yes", "0a7c2a8d", "", {})),
    (
        "ravdess",
        ["Actor_02/03-01-05-01-02-01-02.wav", "Actor_01/03-01-01-01-02-01-01.wav"],
        ("angry", "02", "", {"emotion": "05", "intensity": "01"}),
    ),
    (
        "mimii",
        ["-6_dB_fan/fan/id_00/abnormal/r012_00000003.wav", "-6_dB_fan/fan/id_02/normal/00000003.wav"],
        ("abnormal", "r012", "", {"machine": "fan", "id": "id_00", "snr": "-6"}),
    ),
    ("urbansound8k", ["audio/fold5/100032-3-0-0.wav", "audio/fold1/7061-6-0-0.wav"], ("dog_bark", "100032", "", {"fold": "5"})),
    ("gtzan", ["genres_original/blues/blues.00000.wav", "genres_original/rock/rock.00001.wav"],
     ("blues", "genres_original/blues/blues.00000.wav", "", {})),
    ("audiomnist", ["data/01/0_01_0.wav", "data/12/9_12_49.wav"], ("0", "01", "", {"index": "0"})),
    ("emodb", ["wav/03a01Fa.wav", "wav/16b10Wb.wav"], ("happiness", "03", "", {"text": "a01"})),
    ("dcase2020-task2", ["fan/train/normal_id_00_00000000.wav", "fan/test/anomaly_id_02_00000001.wav"],
     ("normal", "fan/train/normal_id_00_00000000.wav", "train", {"machine": "fan", "id": "id_00"})),
    ("dcase-task2",
     ["gear/target_test/section_01_target_test_anomaly_0002_v_6.wav", "gear/train/section_00_source_train_normal_0000_.wav"],
     ("abnormal", "gear/target_test/section_01_target_test_anomaly_0002_v_6.wav", "test",
      {"domain": "target", "id": "section_01"})),
    ("edge-impulse", ["training/yes.1abc.wav", "testing/no.2.x7.wav"], ("yes", "training/yes.1abc.wav", "train", {})),
    ("split-folders", ["data/train/dog/a.wav", "data/test/cat/c.wav"], ("dog", "data/train/dog/a.wav", "train", {})),
    ("mimii", ["pump/id_04/normal/00000001.wav"], ("normal", "pump/id_04/normal/00000001", "", {"machine": "pump", "id": "id_04"})),
]  # fmt: skip


@pytest.mark.parametrize(("name", "files", "row"), TREES)
def test_finds_the_layout(
    tmp_path: Path, name: str, files: list[str], row: tuple[str, str, str, dict[str, str]]
) -> None:
    manifest = layouts.find(make(tmp_path, *files))
    assert manifest.layout == name
    assert len(manifest) == len(files)
    first = manifest.table.set_index("path").loc[files[0]]
    assert (first["label"], first["group"], first["split"]) == row[:3]
    for column, value in row[3].items():
        assert first[column] == value


def test_all_of_a_folder_may_be_one_label(tmp_path: Path) -> None:
    root = make(tmp_path, "2024-05-01/a.wav", "2024-05-02/b.wav", "c.wav")
    assert layouts.find(root, layout="recordings").labels == ["normal"]
    assert layouts.find(root, layout="recordings", unlabelled_as="ok").labels == ["ok"]
    assert layouts.find(root, unlabelled_as="ok").labels == ["ok"]  # days are no labels
    with pytest.raises(DataError, match="no known layout fits, e.g. c.wav"):
        layouts.find(root)
    with pytest.raises(DataError, match="no known layout fits, e.g. c.wav"):
        layouts.find(
            make(tmp_path / "other", "fan/a.wav", "pump/b.wav", "c.wav"), unlabelled_as="ok"
        )  # folders may be labels


def test_names_without_a_recording_number_have_mimiis_own_group(tmp_path: Path) -> None:
    names = [
        "0_dB_fan/fan/id_00/abnormal/r012_00000003.wav",
        *(f"{n}_dB_fan/fan/id_00/normal/00000001.wav" for n in (0, 6)),
    ]
    table = layouts.find(make(tmp_path, *names)).table.set_index("path")
    assert table.loc[names, "group"].tolist() == ["r012", *["fan/id_00/normal/00000001"] * 2]


def test_fsdd_split_and_its_declared_straddling(tmp_path: Path) -> None:
    manifest = layouts.find(make(tmp_path, *(f"recordings/1_ann_{i}.wav" for i in range(12))))
    table = manifest.table.set_index("index")["split"]
    assert {i for i, s in table.items() if s == "test"} == set("01234")
    assert "the same speakers train and test" in manifest.published


def test_speech_commands_official_lists(tmp_path: Path) -> None:
    make(tmp_path, "yes/0a7c2a8d_nohash_0.wav", "yes/1a7c2a8d_nohash_0.wav", "yes/2a7c2a8d_nohash_0.wav")
    (tmp_path / "testing_list.txt").write_text("yes/0a7c2a8d_nohash_0.wav\n")
    (tmp_path / "validation_list.txt").write_text("yes/1a7c2a8d_nohash_0.wav\n")
    assert layouts.find(tmp_path).table["split"].tolist() == ["test", "valid", "train"]


def test_esc50(tmp_path: Path) -> None:
    make(tmp_path, "audio/1-1-A-0.wav", "audio/2-7-A-3.wav")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text(
        "filename,fold,category,src_file\n1-1-A-0.wav,1,dog,1\n2-7-A-3.wav,2,cow,7\n"
    )
    manifest = layouts.find(tmp_path)
    assert manifest.layout == "esc50"
    assert manifest.table[["path", "label", "group", "fold"]].to_numpy().tolist() == [
        ["audio/1-1-A-0.wav", "dog", "1", "1"],
        ["audio/2-7-A-3.wav", "cow", "7", "2"],
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("metadata.csv", "file_name,label,speaker,split\na b.wav,dog,s1,train\nc.wav,cat,s2,test\n"),
        ("metadata.jsonl", '{"file_name": "a b.wav", "label": "dog", "speaker": "s1", "split": "train"}\n'
                           '{"file_name": "c.wav", "label": "cat", "speaker": "s2", "split": "test"}\n'),
    ],
)  # fmt: skip
def test_metadata(tmp_path: Path, name: str, text: str) -> None:
    make(tmp_path, "a b.wav", "c.wav")
    (tmp_path / name).write_text(text)
    make(tmp_path, "more/d.wav")
    manifest = layouts.find(tmp_path)
    assert manifest.layout == "metadata"
    assert manifest.ignored == ("more/d.wav",)  # told, since nothing says what it is
    assert manifest.table[["path", "label", "group", "split"]].to_numpy().tolist() == [
        ["a b.wav", "dog", "s1", "train"],
        ["c.wav", "cat", "s2", "test"],
    ]


def test_pattern_given_by_the_user(tmp_path: Path) -> None:
    make(tmp_path, "s1-dog-f2.wav", "s2-cat-f1.wav", "notes.wav")
    manifest = layouts.find(tmp_path, pattern=r"(?P<group>\w+)-(?P<label>\w+)-f(?P<fold>\d)\.wav")
    assert manifest.table[["label", "group", "fold"]].to_numpy().tolist() == [["dog", "s1", "2"], ["cat", "s2", "1"]]
    assert manifest.ignored == ("notes.wav",)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("(", "not a regular expression"), (r"\w+\.wav", "no group .*label"), (r"(?P<label>\d+)\.wav", "no path matches")],
)
def test_wrong_patterns(tmp_path: Path, pattern: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        layouts.find(make(tmp_path, "dog.wav"), pattern=pattern)


def test_wrong_folders(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        layouts.find(tmp_path / "none")
    with pytest.raises(DataError, match="holds no recordings"):
        layouts.find(tmp_path)
    with pytest.raises(DataError, match="no known layout fits, e.g. a.wav"):
        layouts.find(make(tmp_path, "a.wav", "b.wav"))
    with pytest.raises(DataError, match="unknown layout 'other'; choose one of esc50"):
        layouts.find(tmp_path, layout="other")


def test_order_does_not_depend_on_the_file_system(tmp_path: Path) -> None:
    names = ["b/1.wav", "a/é.wav", "Z/2.wav", "a/B.wav", "a/a.wav"]
    manifest = layouts.find(make(tmp_path, *names))
    assert manifest.table["path"].tolist() == sorted(names)
    assert manifest.labels == ["Z", "a", "b"]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "layout", "clips", "labels", "groups"),
    [
        ("esc50", "esc50", 1200, 50, 919), ("fsdd", "fsdd", 2500, 10, 5), ("mini_speech_commands", "speech-commands", 1947, 8, 408),
        ("ravdess", "ravdess", 720, 8, 12), ("propeller_mimii", "mimii", 225, 2, 147), ("mimii_sample", "mimii", 32, 2, 32),
    ],
)  # fmt: skip
def test_real_data_sets(recordings: Path, name: str, layout: str, clips: int, labels: int, groups: int) -> None:
    manifest = layouts.find(recordings / name)
    assert manifest.layout == layout
    assert (len(manifest), len(manifest.labels), manifest.table["group"].nunique()) == (clips, labels, groups)


def test_a_table_tells_its_clips_itself(tmp_path: Path) -> None:
    make(tmp_path, "set/a.wav", "set/b.wav", "c.wav")
    (tmp_path / "clips.csv").write_text(f"path,label\n{tmp_path / 'set' / 'a.wav'},dog\nset/../set/b.wav,cat\n")
    assert layouts.find(tmp_path / "clips.csv").ignored == ()
    for given in ({"pattern": "(?P<label>.*)"}, {"layout": "esc50"}):
        with pytest.raises(DataError, match="is a table, which names its clips; remove layout=NAME and pattern=REGEX"):
            layouts.find(tmp_path / "clips.csv", **given)
    (tmp_path / "clips.csv").rename(tmp_path / "metadata.csv")
    assert layouts.find(tmp_path).ignored == ("c.wav",)


def test_audiofolder_with_a_table_in_each_split(tmp_path: Path) -> None:
    make(tmp_path, "train/a.wav", "train/b.wav", "test/c.wav")
    (tmp_path / "train" / "metadata.csv").write_text("file_name,label\na.wav,dog\nb.wav,cat\n")
    (tmp_path / "test" / "metadata.csv").write_text("file_name,label\nc.wav,dog\n")
    manifest = layouts.find(tmp_path)
    assert manifest.layout == "metadata"
    assert sorted(zip(manifest.table["path"], manifest.table["label"], manifest.table["split"], strict=True)) == [
        ("test/c.wav", "dog", "test"),
        ("train/a.wav", "dog", "train"),
        ("train/b.wav", "cat", "train"),
    ]


def test_one_table_whose_paths_name_the_split(tmp_path: Path) -> None:
    make(tmp_path, "train/a.wav", "test/c.wav")
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "train/a.wav", "label": "dog"}\n{"file_name": "test/c.wav", "label": "cat"}\n'
    )
    assert layouts.find(tmp_path).table["split"].tolist() == ["train", "test"]


def test_a_column_that_gives_the_groups_keeps_its_name(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.wav")
    (tmp_path / "metadata.csv").write_text("path,label,Speaker\na.wav,x,ann\nb.wav,y,bob\n")
    manifest = layouts.find(tmp_path)
    assert manifest.column("group").tolist() == ["ann", "bob"]
    assert manifest.with_groups(column="Speaker").column("group").tolist() == ["ann", "bob"]


def test_folds_named_as_parts_are_the_split(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.wav", "c.wav")
    (tmp_path / "metadata.csv").write_text("path,label,fold\na.wav,x,train\nb.wav,y,Val\nc.wav,y,test\n")
    manifest = layouts.find(tmp_path)
    assert manifest.column("split").tolist() == ["train", "valid", "test"]
    assert set(manifest.column("fold")) == {""}
    (tmp_path / "metadata.csv").write_text("path,label,fold\na.wav,x,\nb.wav,y,valid\nc.wav,y, Test\n")
    assert layouts.find(tmp_path).column("split").tolist() == ["", "valid", "test"]


def test_folds_of_a_pattern_named_as_parts_are_the_split(tmp_path: Path) -> None:
    make(tmp_path, "dog/train/a.wav", "dog/test/b.wav")
    manifest = layouts.find(tmp_path, pattern="(?P<label>[^/]+)/(?P<fold>[^/]+)/.*")
    assert manifest.column("split").tolist() == ["test", "train"]


def test_a_set_of_another_kind_is_no_split(tmp_path: Path) -> None:
    make(tmp_path, "a.wav", "b.wav")
    (tmp_path / "metadata.csv").write_text("path,label,set\na.wav,x,clean\nb.wav,y,noisy\n")
    manifest = layouts.find(tmp_path)
    assert set(manifest.column("split")) == {""}
    assert manifest.column("set").tolist() == ["clean", "noisy"]
    assert manifest.notes == ("column set is taken for no split: its values are clean, noisy",)
    (tmp_path / "metadata.csv").write_text("path,label,Split\na.wav,x,TR\nb.wav,y,TE\n")
    with pytest.raises(DataError, match="split is 'tr'; use one of train, valid, test"):
        layouts.find(tmp_path)
    (tmp_path / "metadata.csv").write_text("path,label,set\na.wav,x,train\nb.wav,y,tset\n")
    with pytest.raises(DataError, match="split is 'tset'; use one of train, valid, test"):
        layouts.find(tmp_path)
    (tmp_path / "metadata.csv").write_text("path,label,set\na.wav,x,Train\nb.wav,y,\n")
    assert layouts.find(tmp_path).column("split").tolist() == ["train", ""]


def test_a_table_that_is_not_about_labels_can_be_left_aside(tmp_path: Path) -> None:
    make(tmp_path, "dog/a.wav", "cat/b.wav")
    (tmp_path / "metadata.csv").write_text("site,lat\nnorth,1.5\n")
    with pytest.raises(
        DataError,
        match="it has site, lat: rename one, or ignore the table with layout='class-folders', selections or recordings",
    ):
        layouts.find(tmp_path)
    assert layouts.find(tmp_path, layout="class-folders").labels == ["cat", "dog"]


def test_normal_sound_alone_has_columns_by_a_pattern(tmp_path: Path) -> None:
    make(tmp_path, "press_a/x.wav", "press_b/y.wav")
    manifest = layouts.find(tmp_path, pattern="(?P<machine>[^/]+)/.*", unlabelled_as="normal")
    assert manifest.labels == ["normal"]
    assert manifest.machines(["machine"]) == ["press_a", "press_b"]
    assert manifest.layout == layouts.WITHOUT_LABELS  # so that names of faults are looked for
    with pytest.raises(DataError, match="has no group"):
        layouts.find(tmp_path, pattern="(?P<machine>[^/]+)/.*")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["train/a.wav", "test/b.wav", "more/c.wav"], "folders test, train are taken for labels"),
        (["dog/1/a.wav", "dog/2/b.wav", "cat/1/c.wav", "cat/2/d.wav"], "all labels hold the folders 1, 2"),
        (
            ["dog/train/a.wav", "dog/test/b.wav", "cat/train/c.wav", "cat/test/d.wav"],
            "folders test, train; if those are parts of a split: pattern=r'(?P<label>[^/]+)/(?P<split>[^/]+)/.*'",
        ),
        (["dog/x/a.wav", "cat/y/b.wav"], ""),
        (["dog/a.wav", "dog/x/b.wav", "cat/c.wav", "cat/x/d.wav"], ""),
    ],
)
def test_folders_that_may_not_be_labels_are_told(tmp_path: Path, files: list[str], said: str) -> None:
    manifest = layouts.find(make(tmp_path, *files))
    assert manifest.layout == "class-folders"
    assert said in " ".join(manifest.notes) if said else not manifest.notes
