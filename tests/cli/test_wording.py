from __future__ import annotations

import pytest

from earmark.cli.wording import for_shell


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("x: exists; pass overwrite=True", "x: exists; pass --overwrite"),
        ("choose folds=2 to 5, or group=COLUMN", "choose --folds 2 to 5, or --group COLUMN"),
        ("name it with normal=LABEL, or pass layout='recordings'", "name it with --normal LABEL, or pass --layout recordings"),
        ("train with trim_db=60 or false_alarms=5%", "train with --set trim_db=60 or --set false_alarms=5%"),
        ("base=MODEL continues; remove task='anomaly'", "--from MODEL continues; remove --task anomaly"),
        ("seed is -1; choose", "--seed is -1; choose"),
        ("data: label_column is 'x', but", "data: --label-column is 'x', but"),
        ("earmark.scan names them all", "earmark scan names them all"),
        ("pass pattern=r'(?P<label>[^/]+)/.*'", "pass --pattern '(?P<label>[^/]+)/.*'"),
        ("one:\n  earmark.scan('a b', layout='class-folders')   # x", "one:\n  earmark scan 'a b' --layout class-folders   # x"),
        ("machine='fan/id_00': unknown", "--machine fan/id_00: unknown"),
    ],
)  # fmt: skip
def test_keywords_become_options(python: str, shell: str) -> None:
    assert for_shell(python) == shell


@pytest.mark.parametrize(
    "text", ["data/group=3/x.wav: bad", "a=b", "earmark.figures.images.read", "the label is wrong", "C:\\group=3 x"]
)
def test_what_is_no_keyword_stays(text: str) -> None:
    assert for_shell(text) == text
