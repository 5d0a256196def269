"""``earmark spectrogram`` as a user meets it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile
from PIL import Image

from conftest import tone
from earmark import cli
from earmark.figures import images


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["earmark", "spectrogram", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return int(stop.value.code or 0), captured.out, captured.err

    return call


def test_a_tree_and_again(run: Callable[..., tuple[int, str, str]], tones: Path, tmp_path: Path) -> None:
    code, out, err = run(
        tones, "--out", tmp_path / "out", "--set", "features=mfcc", "--set", "n_mfcc=13", "--colors", "gray"
    )
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"images    30 written, 0 there already, 0 failed: {tmp_path / 'out'}"
    assert out.splitlines()[1] == "rate      8000 Hz, a frame every 10 ms"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["high", "low", "noise"]
    with Image.open(tmp_path / "out" / "low" / "g0_0.png") as image:
        assert image.mode == "L" and image.size == (1 + (4800 - 256) // 80, 13)
    code, out, _ = run(
        tones, "--out", tmp_path / "out", "--set", "features=mfcc", "--set", "n_mfcc=13", "--colors", "gray"
    )
    assert code == 0 and "0 written, 30 there already" in out


def test_json_names_what_failed_and_clashes_are_told(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    for name in ("a.wav", "a.flac"):
        soundfile.write(tmp_path / name, tone(500), 8_000)
    bad = tmp_path / "bad ü.wav"
    bad.write_text("no sound")
    code, out, err = run(tmp_path, "--out", tmp_path / "out", "--json", "--size", "32x48")
    document = json.loads(out)
    assert code == 1
    assert {key: document[key] for key in ("written", "skipped")} == {"written": 2, "skipped": 0}
    assert document["failed"][0]["path"] == str(bad) and "not-audio" in document["failed"][0]["error"]
    assert err == f"earmark: {document['failed'][0]['error']}\n"
    assert images.read(tmp_path / "out" / "a.flac.png")[0].shape == (32, 48)
    code, out, err = run(tmp_path, "--out", tmp_path / "out", "--overwrite")
    assert code == 1 and "2 written, 0 there already, 1 failed" in out
    assert out.splitlines()[-1].startswith("names     2 keep their recording's extension")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "epochs=3"), "'epochs' is no setting of the front end"),
        (("--set", "n_mels=400"), "of the bands would be empty"),
        (("--size", "224"), "give height x width in pixels: --size 224x224"),
        (("--colors", "rainbows"), "colors is 'rainbows'"),
        (("--range", "0"), "the allowed range is 1 to 200"),
        (("--figure", "--size", "9x9"), "leave out --size"),
        (("--workers", "-1"), "workers is -1"),
        (("--channel", "7"), "has no channel 7"),
    ],
)
def test_wrong_calls_are_one_line_and_write_nothing(
    run: Callable[..., tuple[int, str, str]], tones: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    code, out, err = run(tones / "low" / "g0_0.wav", "--out", tmp_path / "out", *arguments)
    assert code == (1 if "--channel" in arguments else 2)
    assert len(err.splitlines()) == 1 and err.startswith("earmark: ") and message in err
    assert code == 1 or out == ""
    assert list(tmp_path.iterdir()) == []
