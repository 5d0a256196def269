from __future__ import annotations

import io
import os
import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import signal

from conftest import tone
from earmark import audio
from earmark.data.cache import content_hash
from earmark.errors import AudioError

SOUND = tone(440, 1.0, 16_000)

# Container, encoding, root-mean-square difference that the encoding may make.
FORMATS = [
    ("WAV", "PCM_U8", 8e-3), ("WAV", "PCM_16", 4e-5), ("WAV", "PCM_24", 2e-7), ("WAV", "PCM_32", 1e-7), ("WAV", "FLOAT", 0),
    ("WAV", "DOUBLE", 0), ("WAV", "ULAW", 0.01), ("WAV", "ALAW", 0.01), ("WAV", "MS_ADPCM", 0.01), ("WAV", "IMA_ADPCM", 0.02),
    ("WAVEX", "PCM_16", 4e-5), ("RF64", "PCM_16", 4e-5), ("FLAC", "PCM_16", 4e-5), ("FLAC", "PCM_24", 2e-7),
    ("OGG", "VORBIS", 0.01), ("OGG", "OPUS", 0.02), ("MP3", "MPEG_LAYER_III", 0.01), ("AIFF", "PCM_16", 4e-5),
    ("AIFF", "FLOAT", 0), ("AU", "PCM_16", 4e-5), ("CAF", "PCM_16", 4e-5),
]  # fmt: skip


def encoded(container: str, subtype: str, samples: NDArray[np.float32] = SOUND, sr: int = 16_000) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, sr, format=container, subtype=subtype)
    return file.getvalue()


WAV = encoded("WAV", "PCM_16")


@pytest.mark.parametrize(("container", "subtype", "tolerance"), FORMATS)
def test_decodes_what_was_encoded(container: str, subtype: str, tolerance: float) -> None:
    waveform = audio.decode(encoded(container, subtype))
    assert waveform.sr == 16_000
    assert waveform.samples.dtype == np.float32
    # ADPCM fills its last block up.
    assert len(SOUND) <= len(waveform.samples) < len(SOUND) + 512
    assert np.sqrt(np.mean(np.square(waveform.samples[: len(SOUND)] - SOUND))) <= tolerance


@pytest.mark.parametrize(("container", "subtype", "tolerance"), FORMATS)
def test_truncated_is_told(container: str, subtype: str, tolerance: float) -> None:
    content = encoded(container, subtype)
    with pytest.raises(AudioError, match="truncated") as error:
        audio.decode(content[: len(content) * 6 // 10])
    assert error.value.kind == "truncated"


def test_content_not_extension_decides(tmp_path: Path) -> None:
    for name in ("a.raw", "a.txt", "a.mp3", "a", "ü n í.wav"):
        (tmp_path / name).write_bytes(WAV)
        assert len(audio.decode(tmp_path / name).samples) == 16_000


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    wanted = audio.decode(path).samples

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self._inner = io.BytesIO(WAV)

        def read(self, size: int = -1) -> bytes:
            return self._inner.read(size)

        def seekable(self) -> bool:
            return False

    for source in (str(path), WAV, bytearray(WAV), memoryview(WAV), io.BytesIO(WAV), path.open("rb"), Pipe()):
        assert np.array_equal(audio.decode(source).samples, wanted)
        if hasattr(source, "close"):
            source.close()


def test_channels() -> None:
    stereo = np.stack([SOUND, -0.5 * SOUND], axis=1)
    content = encoded("WAV", "FLOAT", stereo)
    assert np.allclose(audio.decode(content).samples, 0.25 * SOUND, atol=1e-7)
    assert np.array_equal(audio.decode(content, channel=1).samples, -0.5 * SOUND)
    with pytest.raises(AudioError, match="no channel 2; channels are numbered 0 to 1"):
        audio.decode(content, channel=2)


def test_stretch() -> None:
    assert np.array_equal(audio.decode(WAV, start=0.25, end=0.5).samples, audio.decode(WAV).samples[4000:8000])
    with pytest.raises(AudioError, match="past the recording's end at 1.000 s"):
        audio.decode(WAV, start=0.5, end=1.5)
    with pytest.raises(AudioError, match="range"):
        audio.decode(WAV, start=0.5, end=0.5)


@pytest.mark.parametrize("wanted", [8_000, 11_025, 22_050, 44_100])
def test_resampling_keeps_a_tone_and_removes_what_would_alias(wanted: int) -> None:
    low = audio.resample(tone(1000, 1.0, 32_000, seed=1), 32_000, wanted)
    assert len(low) == pytest.approx(wanted, abs=1)
    spectrum = np.abs(np.fft.rfft(low * signal.windows.hann(len(low))))
    assert np.argmax(spectrum) * wanted / len(low) == pytest.approx(1000, abs=1.5)
    high = np.sin(2 * np.pi * 15_000 * np.arange(32_000) / 32_000).astype(np.float32)
    if wanted < 30_000:
        assert np.abs(audio.resample(high, 32_000, wanted)[500:-500]).max() < 1e-3


@settings(max_examples=20)
@given(st.sampled_from([8_000, 11_025, 16_000, 22_050, 48_000]), st.floats(0.01, 0.7))
def test_blocks_equal_the_whole(wanted: int, block_seconds: float) -> None:
    parts = list(audio.blocks(WAV, sr=wanted, block_seconds=block_seconds))
    assert {p.sr for p in parts} == {wanted}
    assert all(len(p.samples) == max(1, round(block_seconds * wanted)) for p in parts[:-1])
    assert np.array_equal(np.concatenate([p.samples for p in parts]), audio.decode(WAV, sr=wanted).samples)


def test_many_blocks_of_a_file_are_resampled_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = audio.decode(WAV, sr=11_025).samples
    monkeypatch.setattr("earmark.audio.decoders._BLOCK", 1_000)
    assert np.array_equal(np.concatenate([p.samples for p in audio.blocks(WAV, sr=11_025)]), whole)


@settings(max_examples=20)
@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8))
def test_stream_resampler_equals_whole(sizes: list[int]) -> None:
    resampler = audio.Resampler(16_000, 11_025)
    edges = np.minimum(np.cumsum([0, *sizes, 10**6]), len(SOUND))
    parts = [resampler.push(SOUND[a:b]) for a, b in pairwise(edges)]
    assert np.array_equal(np.concatenate([*parts, resampler.finish()]), audio.resample(SOUND, 16_000, 11_025))


def with_data_size(size: int) -> bytes:
    content = bytearray(WAV)
    at = content.find(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    return bytes(content)


NAN = SOUND.copy()
NAN[100] = np.nan
FLAC = encoded("FLAC", "PCM_16")
DAMAGED = FLAC[: len(FLAC) // 2] + bytes([FLAC[len(FLAC) // 2] ^ 0xFF]) + FLAC[len(FLAC) // 2 + 1 :]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"),
        (b"this is a text, not a sound\n" * 9, "not-audio"),
        (encoded("WAV", "PCM_16", SOUND[:0]), "zero-length"),
        (encoded("WAV", "FLOAT", NAN), "non-finite"),
        (with_data_size(2**31 + 6)[:-2], "truncated"),
        (DAMAGED, "corrupt"),
        (WAV[:30], "truncated"),
    ],
)
def test_faults_are_named(content: bytes, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError) as error:
        audio.decode(path)
    assert error.value.kind == kind
    assert str(error.value).startswith(f"{path}: {kind}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x80000000, 0x7FFFF000, 0x7FFFEFFC])
def test_data_size_of_a_pipe_is_legal(size: int) -> None:
    assert len(audio.decode(with_data_size(size)).samples) == 16_000


def test_flac_from_a_pipe_does_not_say_its_length() -> None:
    long = np.tile(SOUND, 20)  # more than a block
    content = bytearray(encoded("FLAC", "PCM_16", long))
    content[21] &= 0xF0  # the last 36 of STREAMINFO's bits before its checksum
    content[22:26] = bytes(4)
    untold = bytes(content)
    assert audio.duration(untold) == (20.0, 16_000)
    assert np.abs(audio.decode(untold).samples - long).max() < 4e-5
    stretch = audio.decode(untold, start=18.5, end=19.25).samples
    assert np.array_equal(stretch, audio.decode(untold).samples[296_000:308_000])
    with pytest.raises(AudioError, match=r"lies past the recording's end at 20.000 s"):
        audio.decode(untold, start=19.0, end=21.0)
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(AudioError, match=r"corrupt: cannot be decoded behind [\d.]+ s \("):
        audio.decode(bytes(content))
    assert audio.duration(encoded("WAV", "PCM_16", SOUND[:0])) == (0.0, 16_000)


def test_missing_and_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="missing: no such file"):
        audio.decode(tmp_path / "none.wav")
    with pytest.raises(AudioError, match="is a folder"):
        audio.decode(tmp_path)


def test_tags_that_are_not_utf_8_do_not_matter(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "tone.m4a"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "AAAAAAAA"
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(SOUND[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    content = path.read_bytes()
    assert b"AAAAAAAA" in content
    assert len(audio.decode(content.replace(b"AAAAAAAA", b"\xe9\xe8\xff\xfeAAAA")).samples) >= 16_000


def test_m4a_needs_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "tone.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(SOUND[None], format="fltp", layout="mono")
        frame.sample_rate = 16_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    waveform = audio.decode(path)
    assert waveform.sr == 16_000
    peak = np.argmax(np.abs(np.fft.rfft(waveform.samples))) * 16_000 / len(waveform.samples)
    assert peak == pytest.approx(440, abs=2)
    part = audio.decode(path, start=0.3, end=0.6)
    assert np.array_equal(part.samples, waveform.samples[4_800:9_600])
    with pytest.raises(AudioError, match="range: .* lies past the recording's end"):
        audio.decode(path, start=0.5, end=5)
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(AudioError, match=r'needs-ffmpeg.*pip install .*\[ffmpeg\]"'):
        audio.decode(path)


def test_arrays() -> None:
    integers = (SOUND * 32767).astype(np.int16)
    assert np.allclose(audio.from_array(integers, 16_000, wanted=16_000), SOUND, atol=1e-4)
    stereo = np.stack([SOUND, SOUND], axis=1)
    assert np.allclose(audio.from_array(stereo, 16_000, wanted=16_000), SOUND, atol=1e-7)
    with pytest.raises(
        AudioError, match=r"shape \(2, 16000\) would be 16000 channels; pass \(time, channel\): transpose"
    ):
        audio.from_array(stereo.T, 16_000, wanted=16_000)
    with pytest.raises(AudioError, match="corrupt: holds a sample of 3.4e"):
        audio.from_array(np.array([0.1, -3.4e37, 0.1]), 16_000, wanted=16_000)
    for bad in (np.zeros((2, 2, 2)), np.zeros(3, np.uint8), np.zeros(0), np.array([np.inf])):
        with pytest.raises(AudioError):
            audio.from_array(bad, 16_000, wanted=16_000)


def test_encode_round_trip_and_duration(tmp_path: Path) -> None:
    audio.encode(tmp_path / "a.flac", SOUND, 16_000)
    assert np.abs(audio.decode(tmp_path / "a.flac").samples - SOUND).max() < 4e-5
    assert audio.duration(tmp_path / "a.flac") == (1.0, 16_000)
    assert [p.name for p in tmp_path.iterdir()] == ["a.flac"]
    with pytest.raises(AudioError, match="cannot be written"):
        audio.encode(tmp_path / "a.xyz", SOUND, 16_000)


def test_find_recordings(tmp_path: Path) -> None:
    for name in ("b.wav", "a/c.FLAC", ".hidden.wav", "a/notes.txt", "__MACOSX/d.wav", "$RECYCLE.BIN/$R.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"a text" if name.endswith(".txt") else WAV)
    found = [tmp_path / "a/c.FLAC", tmp_path / "b.wav"]
    assert audio.find_recordings([tmp_path]) == found
    if os.name != "nt":
        (tmp_path / "a" / "back").symlink_to("..")  # would be gone round for ever
        assert audio.find_recordings([tmp_path]) == found
        (tmp_path / "z").symlink_to("a")
        assert audio.find_recordings([tmp_path]) == [*found, tmp_path / "z/c.FLAC"]
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "one").symlink_to("../a")
        (tmp_path / "a" / "other").symlink_to("../b")  # each leads into the other one
        assert len(audio.find_recordings([tmp_path])) < 8


@pytest.mark.data
def test_all_real_recordings_of_a_kind_decode(recordings: Path) -> None:
    files = audio.find_recordings([recordings / "mimii_sample", recordings / "fsdd"])[::50]
    for file in files:
        reference, sr = soundfile.read(file, dtype="float32", always_2d=True)
        waveform = audio.decode(file)
        assert waveform.sr == sr
        assert np.allclose(waveform.samples, reference.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("good", [0, 10_000])
def test_a_disk_that_fails_is_told_by_the_name_of_the_recording(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], good: int
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(WAV)
    write_only = os.open(path, os.O_WRONLY)

    class Failing(audio.sources.File):
        def readinto(self, buffer: Any) -> int | None:
            if self.tell() >= good:
                os.dup2(write_only, self.fileno())  # cannot be read from
            return super().readinto(memoryview(buffer)[:5000])

    monkeypatch.setattr(audio.sources, "File", Failing)
    with pytest.raises(AudioError, match=r"a.wav: unreadable: Bad file descriptor; check the disk"):
        audio.decode(path)
    os.close(write_only)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("source", [[0.1, 0.2], (16_000, SOUND), None, 3])
def test_what_is_no_recording_is_told(source: Any) -> None:
    with pytest.raises(
        AudioError, match="not-audio: a .* is no recording; pass a path, bytes, a binary file, or a NumPy"
    ):
        audio.decode(source)


def test_arrays_of_another_scale_are_told() -> None:
    integers = (SOUND * 32767).astype(np.int16)
    assert np.abs(audio.from_array(integers, 16_000, wanted=16_000)).max() <= 1
    with pytest.raises(AudioError, match="holds whole numbers as floats; divide them by full scale"):
        audio.from_array(integers.astype(float), 16_000, wanted=16_000)
    with pytest.raises(AudioError, match="of int64 is not a waveform; .* signed integers to 32 bits"):
        audio.from_array(integers.astype(np.int64), 16_000, wanted=16_000)
    pascal = SOUND * np.float32(5000.3)  # in units of the world, as a float file may be
    assert np.array_equal(audio.from_array(pascal, 16_000, wanted=16_000), pascal)


@pytest.mark.parametrize("before", [b"", b"ID3\x04\0\0\0\0\0\x14" + bytes(20)])
def test_cut_off_behind_a_tag_and_wave64(before: bytes) -> None:
    whole = encoded("WAV", "PCM_16") if before else encoded("W64", "PCM_16")
    assert len(audio.decode(before + whole).samples) >= len(SOUND) - 20
    with pytest.raises(AudioError, match="truncated: .* bytes fewer than its header claims"):
        audio.decode(before + whole[: len(whole) * 6 // 10])


@pytest.mark.parametrize("told", [0, 1_000])
@pytest.mark.parametrize(
    ("format_", "mark", "size", "remedy"),
    [
        ("WAV", b"data", "<I", "write its header anew: sox --ignore-length IN OUT, or ffmpeg"),
        ("AIFF", b"SSND", ">I", "write its header anew: sox"),
        ("CAF", b"data", ">q", "export it again"),
        ("AU", b".snd", ">4xI", "write its header anew: sox"),
    ],
)
def test_a_header_that_was_not_finished_is_told(format_: str, mark: bytes, size: str, remedy: str, told: int) -> None:
    content = bytearray(encoded(format_, "PCM_16"))
    at = content.find(mark) + 4
    whole = struct.unpack_from(size, content, at)[0]
    struct.pack_into(size.replace("4x", ""), content, at + (4 if "4x" in size else 0), told)
    with pytest.raises(AudioError, match=f"{whole - told} bytes behind the end .* not closed .*; {remedy}"):
        audio.decode(bytes(content))


@pytest.mark.parametrize("subtype", ["PCM_U8", "ULAW"])
def test_sound_that_reads_like_a_name_is_no_chunk(subtype: str) -> None:
    content = bytearray(encoded("WAV", subtype))
    at = content.find(b"data") + 8
    content[at + 1_000 : at + 1_008] = b"dog|dog|"
    struct.pack_into("<I", content, at - 4, 1_000)
    with pytest.raises(AudioError, match="bytes behind the end that its header claims"):
        audio.decode(bytes(content))


def test_wave64_is_read_as_libsndfile_reads_it() -> None:
    content = bytearray(encoded("W64", "PCM_16"))
    at = content.find(b"data") + 16
    struct.pack_into("<Q", content, at, 24 + 1_000)
    assert len(audio.decode(bytes(content)).samples) == len(SOUND)


def test_a_header_of_more_than_four_gigabytes_that_was_not_finished_is_told() -> None:
    content = bytearray(encoded("RF64", "PCM_16"))
    struct.pack_into("<Q", content, content.find(b"ds64") + 16, 1_000)
    with pytest.raises(AudioError, match=f"{2 * len(SOUND) - 1_000} bytes behind the end.*ffmpeg -ignore_length"):
        audio.decode(bytes(content))


@pytest.mark.parametrize("name", [b"LIST", b"iXML", b"id3 "])
def test_a_chunk_behind_the_sound_that_is_cut_off_does_not_matter(name: bytes) -> None:
    behind = name + struct.pack("<I", 60_000) + bytes([1] * 9_000)
    assert len(audio.decode(encoded("WAV", "PCM_16") + behind).samples) == len(SOUND)


CHUNK = b"LIST" + struct.pack("<I", 9_000) + bytes([1] * 9_000)


@pytest.mark.parametrize("behind", [bytes(9_000), CHUNK, b"ID3\x03" + bytes([1] * 9_000)])
def test_padding_and_chunks_behind_the_sound_do_not_matter(behind: bytes) -> None:
    assert len(audio.decode(encoded("WAV", "PCM_16") + behind).samples) == len(SOUND)


@pytest.mark.parametrize("pad", [b"", b"\0"])
def test_a_chunk_behind_an_odd_number_of_bytes(pad: bytes) -> None:
    odd = encoded("WAV", "PCM_U8", SOUND[:9_999])
    odd = odd[: odd.find(b"data") + 8 + 9_999]
    assert len(audio.decode(odd + pad + CHUNK).samples) == 9_999


def test_stretches_of_a_codec_that_cannot_jump() -> None:
    gsm = encoded("WAV", "GSM610")
    whole = audio.decode(gsm).samples
    assert np.array_equal(audio.decode(gsm, start=0.3, end=0.6).samples, whole[4_800:9_600])


def test_a_cut_off_matroska_is_told(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "tone.mka"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.tile(SOUND, 6)[None, : 48_000 * 2], format="flt", layout="mono")
        frame.sample_rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    content = path.read_bytes()
    assert len(audio.decode(content).samples) == pytest.approx(96_000, abs=1_000)
    with pytest.raises(AudioError, match="truncated: ends at .* its header claims 2"):
        audio.decode(content[: len(content) * 6 // 10])


@pytest.mark.parametrize("first", [0, 1])
def test_a_matroska_that_begins_late_or_has_a_gap_is_whole(tmp_path: Path, first: int) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "tone.mka"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for second in (first, 3):
            samples = (SOUND[None, :16_000] * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16_000, 16_000 * second
            for packet in stream.encode(frame):
                container.mux(packet)
    content = path.read_bytes()
    assert len(audio.decode(content).samples) == 32_000
    with pytest.raises(AudioError, match="truncated: ends at .* its header claims 4"):
        audio.decode(content[: len(content) * 6 // 10])


@pytest.mark.skipif(os.name == "nt", reason="makes a pipe")
def test_a_pipe_is_told_and_does_not_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.wav")
    with pytest.raises(AudioError, match="unreadable: is a pipe; write it to a file"):
        audio.decode(tmp_path / "x.wav")
    with pytest.raises(AudioError, match="unreadable: is a pipe; write it to a file"):
        content_hash(tmp_path / "x.wav")
