from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from conftest import tone
from earmark import audio
from earmark.data import cache
from earmark.errors import AudioError, OutputError, SettingsError


def test_second_get_does_not_decode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(440, 0.5, 16_000), 16_000)
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    first = store.get(path)
    assert np.array_equal(first.samples(), audio.decode(path, sr=8_000).samples)
    monkeypatch.setattr(audio, "blocks", lambda *_, **__: pytest.fail("decoded again"))
    renamed = path.rename(tmp_path / "b.wav")
    assert store.get(renamed).place == first.place


def test_second_start_reads_no_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(440, 0.5, 16_000), 16_000)
    first = cache.Cache(8_000, folder=tmp_path / "cache")
    header, decoded = first.index.header(path), first.get(path)
    monkeypatch.setattr(Path, "open", lambda *_, **__: pytest.fail("read again"))
    monkeypatch.setattr(audio, "raw_blocks", lambda *_, **__: pytest.fail("decoded again"))
    monkeypatch.setattr(audio, "duration", lambda *_, **__: pytest.fail("header read again"))
    second = cache.Cache(8_000, folder=tmp_path / "cache")
    assert second.index.header(path) == header == (0.5, 16_000)
    assert second.get(path).place == decoded.place


def test_a_changed_recording_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    soundfile.write(path, tone(440), 8_000)
    first = store.get(path)
    soundfile.write(path, tone(550), 8_000)
    os.utime(path, ns=(1, 1))
    assert store.get(path).content != first.content


def test_evicts_what_was_not_used_for_longest_and_decodes_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    found = []
    for i in range(3):
        soundfile.write(tmp_path / f"{i}.wav", tone(300 + i), 8_000)
        found.append(store.get(tmp_path / f"{i}.wav"))
        for place in (found[i].place, found[i].place.with_suffix(".landmarks")):
            os.utime(place, (i + 1, i + 1))
    assert cache.usage(tmp_path / "cache").recordings == 3
    prints = found[1].landmarks()
    assert len(prints)
    store.get(tmp_path / "0.wav")  # used now, so that 1.wav is the oldest
    monkeypatch.setenv("EARMARK_CACHE_SIZE", "65kB")
    assert cache.evict(tmp_path / "cache") >= 32_000
    assert [d.place.exists() for d in found] == [True, False, True]
    assert np.array_equal(found[1].samples(), soundfile.read(tmp_path / "1.wav", dtype="float32")[0])
    assert np.array_equal(found[1].landmarks(), prints)


def test_clear_leaves_nothing_and_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(300), 8_000)
    folder = tmp_path / "cache"
    cache.Cache(8_000, folder=folder).get(tmp_path / "a.wav")
    assert cache.usage(folder).bytes >= 32_000
    assert cache.clear(folder).recordings == 1
    assert cache.usage(folder).bytes == 0
    (folder / "index.sqlite").write_bytes(b"nonsense" * 1000)
    assert len(cache.Cache(8_000, folder=folder).get(tmp_path / "a.wav").samples()) == 8_000


@pytest.mark.parametrize("text", ["much", "10", "GB", "infGB"])
def test_sizes_that_are_none_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_CACHE_SIZE", text)
    with pytest.raises(SettingsError, match="EARMARK_CACHE_SIZE is .*; give a size such as 500MB"):
        cache.largest_size()


def test_many_processes_share_a_folder(tmp_path: Path) -> None:
    for i in range(12):
        soundfile.write(tmp_path / f"{i}.wav", tone(300 + i, seed=i), 8_000)
    code = (
        "import sys; from pathlib import Path; from earmark.data.cache import Cache; root = Path(sys.argv[1])\n"
        "store = Cache(4_000, folder=root / 'cache')\n"
        "print(sum(len(store.get(root / f'{i}.wav').samples()) for i in range(12)))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    assert [process.communicate()[0] for process in running] == ["48000\n"] * 3
    assert cache.usage(tmp_path / "cache").recordings == 12


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
    assert not [p for p in (tmp_path / "cache" / "decoded").rglob("*") if p.is_file()]


def test_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache.default_folder() == Path(os.environ["EARMARK_CACHE"])
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be made"):
        cache.Cache(8_000, folder=tmp_path / "file")


def test_files_swapped_under_the_same_size_and_time_are_noticed(tmp_path: Path) -> None:
    places = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for i, place in enumerate(places):
        soundfile.write(place, tone(300 + 100 * i), 8_000)
        os.utime(place, ns=(1, 1))
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    before = [store.get(p).content for p in places]
    places[0].rename(tmp_path / "c.wav")
    places[1].rename(places[0])
    (tmp_path / "c.wav").rename(places[1])
    assert [store.get(p).content for p in places] == before[::-1]


def test_too_short_for_a_sample_is_left_out(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.ones(1, np.float32), 48_000)
    with pytest.raises(AudioError, match="zero-length"):
        cache.Cache(16_000, folder=tmp_path / "cache").get(tmp_path / "a.wav")


def test_what_a_killed_run_left_is_removed_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "decoded" / "ab"
    folder.mkdir(parents=True)
    for name in (".old.f32", ".new.f32"):
        (folder / name).write_bytes(bytes(5000))
    os.utime(folder / ".old.f32", (1e9, 1e9))
    assert (cache.usage(tmp_path).recordings, cache.usage(tmp_path).bytes) == (0, 5000)
    assert cache.evict(tmp_path) == 5000
    assert [path.name for path in folder.iterdir()] == [".new.f32"]
    cache.clear(tmp_path)
    assert [path.name for path in folder.iterdir()] == [".new.f32"]


def test_an_entry_that_was_cut_is_decoded_again(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", tone(300), 8_000)
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    found = store.get(tmp_path / "a.wav")
    found.place.write_bytes(found.place.read_bytes()[:4_000])
    assert len(store.get(tmp_path / "a.wav").samples()) == 8_000


def test_an_index_damaged_behind_its_first_page_costs_time_alone(tmp_path: Path) -> None:
    for i in range(200):
        soundfile.write(tmp_path / f"{i}.wav", tone(300 + i, 0.01), 8_000)
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    first = [store.get(tmp_path / f"{i}.wav").content for i in range(200)]
    place = tmp_path / "cache" / "index.sqlite"
    content = place.read_bytes()
    place.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    again = cache.Cache(8_000, folder=tmp_path / "cache")
    assert [again.get(tmp_path / f"{i}.wav").content for i in range(200)] == first


def test_an_evicted_recording_is_decoded_once_for_all_its_clips(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    soundfile.write(tmp_path / "a.wav", tone(300), 8_000)
    found = store.get(tmp_path / "a.wav")
    monkeypatch.setenv("EARMARK_CACHE_SIZE", "1kB")
    cache.evict(tmp_path / "cache")
    calls, decode = [], audio.decode
    monkeypatch.setattr(audio, "decode", lambda *args, **words: calls.append(1) or decode(*args, **words))
    first, again = found.samples(), found.samples()
    assert len(calls) == 1 and np.array_equal(first, again)


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("32000 requested and 0 written")  # as NumPy says it, without an error number

    soundfile.write(tmp_path / "a.wav", tone(300), 8_000)
    store = cache.Cache(8_000, folder=tmp_path / "cache")
    monkeypatch.setattr(cache.audio, "blocks", full)
    with pytest.raises(OutputError, match="the cache cannot be written: 32000 requested and 0 written; free space"):
        store.get(tmp_path / "a.wav")
