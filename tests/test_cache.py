from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import tone
from earmark import audio, cache
from earmark.errors import AudioError, OutputError


def test_second_get_does_not_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(440, 0.5, 16_000), 16_000)
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    first = store.get(path)
    assert np.array_equal(first.samples(), audio.decode(path, sr=8_000).samples)
    monkeypatch.setattr(audio, "decode", lambda *_, **__: pytest.fail("decoded again"))
    renamed = path.rename(tmp_path / "b.wav")
    assert store.get(renamed) == first


def test_rate_channel_and_content_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    stereo = np.stack([tone(440), tone(880)], axis=1)
    soundfile.write(path, stereo, 8_000)
    found = [
        cache.Cache(sr, channel=channel, folder=tmp_path / "cache").get(path).place
        for sr, channel in ((8_000, None), (8_000, 0), (8_000, 1), (4_000, None))
    ]
    assert len(set(found)) == 4
    soundfile.write(path, stereo * 0.5, 8_000)
    assert cache.Cache(8_000, folder=tmp_path / "cache").get(path).place not in found


def test_bad_files_leave_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("no sound")
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    with pytest.raises(AudioError, match="not-audio"):
        store.get(tmp_path / "a.wav")
    with pytest.raises(AudioError, match="missing"):
        store.get(tmp_path / "b.wav")
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.default_folder() == Path(os.environ["EARMARK_CACHE"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be made"):
        cache.Cache(8_000, folder=tmp_path / "file")
