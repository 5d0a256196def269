"""A length is counted, not believed: joined files, junk, headers that claim too much, and codecs of others."""

from __future__ import annotations

import io
import struct
import sys
import threading
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from earmark import audio
from earmark.audio.quiet import muted
from earmark.errors import AudioError

SR = 16_000
FORMATS = [
    ("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("RF64", "PCM_16"), ("W64", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"),
    ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"),
]  # fmt: skip
TEXT = b"<!DOCTYPE html><html><body>403 Forbidden</body></html>\n" * 100
ID3 = b"ID3\x04\0\0\0\0\0\x14" + bytes(20)
ID3V1 = b"TAG" + b"a title".ljust(125, b"\0")
APE = b"APETAGEX" + struct.pack("<IIII", 2000, 32 + 10, 1, 0xA0000000) + bytes(8) + bytes(42)


def noise(seconds: float, *, seed: int = 0, channels: int = 1, sr: int = SR) -> NDArray[np.float32]:
    return (0.2 * np.random.default_rng(seed).normal(size=(round(seconds * sr), channels))).astype(np.float32)


def encoded(format_: str, subtype: str, samples: NDArray[np.float32], sr: int = SR) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, sr, format=format_, subtype=subtype)
    return file.getvalue()


PARTS = {pair: [encoded(*pair, noise(0.9 + 0.37 * k, seed=k)) for k in range(3)] for pair in FORMATS}
WITHOUT_LABELS = {pair: [audio.decode(part).samples for part in parts] for pair, parts in PARTS.items()}


def remarks(content: bytes) -> dict[str, str]:
    measure = audio.Measure()
    audio.decode(content, measure=measure)
    return dict(measure.facts().remarks)


def with_av(format_: str, codec: str, samples: NDArray[np.float32], **options: str) -> bytes:
    """Encoded by FFmpeg, mono."""
    av = pytest.importorskip("av")
    file = io.BytesIO()
    with av.open(file, "w", format=format_, options=options) as container:
        stream = container.add_stream(codec, rate=SR, layout="mono")
        if codec == "libmp3lame":
            stream.codec_context.flags |= 2  # a variable rate
            stream.codec_context.global_quality = 4 * 118
        frame = av.AudioFrame.from_ndarray(samples.T.copy(), format="fltp", layout="mono")
        frame.sample_rate = SR
        wanted = stream.codec_context.format.name if stream.codec_context.format else "s16"
        for part in av.AudioResampler(format=wanted, rate=SR, layout="mono").resample(frame):
            for packet in stream.encode(part):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()


@pytest.fixture(scope="module", params=["grows", "shrinks"])
def vbr(request: pytest.FixtureRequest) -> bytes:
    """An MP3 whose frames grow or shrink, so that an estimate from the first is far off; nothing tells their number."""
    sound = noise(12.0)
    sound[slice(8 * SR) if request.param == "grows" else slice(4 * SR, None)] *= 0.002
    return with_av("mp3", "libmp3lame", sound, write_xing="0", id3v2_version="0")


def test_mp3_without_a_count_is_decoded_to_its_end(vbr: bytes) -> None:
    assert abs(soundfile.SoundFile(io.BytesIO(vbr)).frames - 12 * SR) > 2 * SR  # what an estimate makes of it
    whole = audio.decode(vbr)
    assert 12 <= whole.duration < 12.1
    assert audio.duration(vbr) == (whole.duration, SR)
    assert (np.abs(whole.samples[:SR]).mean() > 0.05) != (np.abs(whole.samples[11 * SR : -2_000]).mean() > 0.05)
    assert remarks(vbr) == {}


@settings(max_examples=12)
@given(st.floats(0, 11.5), st.floats(0.01, 0.5))
def test_a_segment_of_an_mp3_is_a_slice_of_it(vbr: bytes, start: float, length: float) -> None:
    whole = audio.decode(vbr).samples
    part = audio.decode(vbr, start=start, end=start + length).samples
    wanted = whole[round(start * SR) : round((start + length) * SR)]
    assert len(part) == len(wanted)
    assert float(np.abs(part - wanted).max()) < 1e-6  # the decoder sums in an order that depends on where it began


def test_three_mp3_one_behind_the_other() -> None:
    parts = [encoded("MP3", "MPEG_LAYER_III", noise(4.0, seed=k)) for k in range(3)]
    joined = b"".join(parts)
    assert audio.duration(joined) == (12.0, SR)
    assert np.array_equal(audio.decode(joined).samples, np.concatenate([audio.decode(p).samples for p in parts]))
    assert "holds 3 recordings" in remarks(joined)["joined"]
    assert audio.decode(joined, start=7.9, end=8.2).duration == pytest.approx(0.3)


@settings(max_examples=60)
@given(
    st.sampled_from(FORMATS),
    st.lists(st.integers(0, 2), min_size=2, max_size=4),
    st.sampled_from([b"", bytes(7), bytes(70_000), ID3V1, ID3, APE, TEXT]),
    st.floats(0, 1),
    st.floats(0.01, 1),
)
def test_joined_files_are_their_parts(
    pair: tuple[str, str], order: list[int], between: bytes, begin: float, share: float
) -> None:
    content = between.join(PARTS[pair][k] for k in order)
    wanted = np.concatenate([WITHOUT_LABELS[pair][k] for k in order])
    whole = audio.decode(content)
    assert np.array_equal(whole.samples, wanted)
    assert audio.duration(content) == (len(wanted) / SR, SR)
    start, end = (round(x * len(wanted)) for x in (0.9 * begin, 0.9 * begin + 0.1 * share))
    part = audio.decode(content, start=start / SR, end=end / SR).samples
    # Opus needs a while to begin anew, and the decoder of MP3 sums in an order that depends on where it began.
    tolerance = {"OPUS": 2e-2, "MPEG_LAYER_III": 1e-6}.get(pair[1], 0.0)
    assert np.abs(part - wanted[start:end]).max() <= tolerance


@settings(max_examples=25)
@given(st.sampled_from(FORMATS), st.sampled_from([8_000, 16_000]), st.floats(0.05, 2))
def test_blocks_of_joined_files_are_the_whole(pair: tuple[str, str], sr: int, seconds: float) -> None:
    content = b"".join(PARTS[pair])
    parts = [b.samples for b in audio.blocks(content, sr=sr, block_seconds=seconds)]
    assert np.array_equal(np.concatenate(parts), audio.decode(content, sr=sr).samples)


@pytest.mark.parametrize("pair", FORMATS)
@pytest.mark.parametrize("before", [TEXT, bytes(100_000), ID3 + ID3, b"\x11garbage" * 400, ID3 + TEXT + bytes(50)])
def test_sound_behind_junk_is_found(pair: tuple[str, str], before: bytes) -> None:
    content = before + PARTS[pair][0]
    assert np.array_equal(audio.decode(content).samples, WITHOUT_LABELS[pair][0])
    assert ("junk" in remarks(content)) == any(before.replace(ID3, b""))


@pytest.mark.parametrize("pair", FORMATS)
@pytest.mark.parametrize("behind", [TEXT, bytes(100_000), ID3V1, APE + ID3V1, ID3])
def test_sound_before_junk_is_found(pair: tuple[str, str], behind: bytes) -> None:
    assert np.array_equal(audio.decode(PARTS[pair][0] + behind).samples, WITHOUT_LABELS[pair][0])


def test_junk_between_the_frames_of_an_mp3_is_skipped_and_said(vbr: bytes) -> None:
    frame = vbr.find(vbr[:2], len(vbr) // 2)
    whole = audio.decode(vbr).samples
    while audio.duration(vbr[:frame])[0] == audio.duration(vbr[: frame + 1])[0]:  # to the beginning of a frame
        frame += 1
    content = vbr[: frame + 1] + TEXT + vbr[frame + 1 :]
    assert np.array_equal(audio.decode(content).samples, whole)
    assert remarks(content) == {"junk": f"{len(TEXT)} bytes in it are neither sound nor tags; they are skipped"}


@pytest.mark.parametrize("pair", FORMATS)
@pytest.mark.parametrize(("sr", "channels"), [(8_000, 1), (SR, 2)])
def test_parts_of_different_kinds_are_refused(pair: tuple[str, str], sr: int, channels: int) -> None:
    content = PARTS[pair][0] + encoded(*pair, noise(0.5, channels=channels, sr=sr), sr)
    two = f"{sr} Hz with {channels} channel"
    with pytest.raises(AudioError, match=f"corrupt: .* 16000 Hz with 1 channel, then {two}.*; split it") as error:
        audio.decode(content)
    assert "\n" not in str(error.value)
    with pytest.raises(AudioError, match="split it"):
        audio.duration(content)


@pytest.mark.parametrize("first", FORMATS)
@pytest.mark.parametrize(
    "second", [("WAV", "PCM_16"), ("OGG", "VORBIS"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III")]
)
def test_files_of_different_formats_are_joined_too(first: tuple[str, str], second: tuple[str, str]) -> None:
    if first[0] == "FLAC" and second[0] == "MP3":
        pytest.skip("nothing tells where a FLAC ends, and what begins an MP3 is too short to be searched in one")
    content = PARTS[first][0] + PARTS[second][1]
    assert np.array_equal(
        audio.decode(content).samples, np.concatenate([WITHOUT_LABELS[first][0], WITHOUT_LABELS[second][1]])
    )


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000])
def test_joined_wav_files_of_pipes(size: int) -> None:
    parts = []
    for part in PARTS["WAV", "PCM_16"]:
        content = bytearray(part)
        content[40:44] = content[4:8] = struct.pack("<I", size)
        parts.append(bytes(content))
    assert np.array_equal(audio.decode(b"".join(parts)).samples, np.concatenate(WITHOUT_LABELS["WAV", "PCM_16"]))


def test_further_sound_chunks_of_a_wav_are_heard() -> None:
    one, two = PARTS["WAV", "PCM_16"][:2]
    content = bytearray(one + two[36:])
    content[4:8] = struct.pack("<I", len(content) - 8)
    assert np.array_equal(audio.decode(bytes(content)).samples, np.concatenate(WITHOUT_LABELS["WAV", "PCM_16"][:2]))


def test_an_archive_is_no_recording_whatever_lies_in_it() -> None:
    with pytest.raises(AudioError, match="not-audio: is an archive; unpack it"):
        audio.decode(b"PK\x03\x04" + bytes(40) + PARTS["WAV", "PCM_16"][0])


# What is forgiven at the end, and what is not.


def header(content: bytes, data: int, riff: int | None = None) -> bytes:
    changed = bytearray(content)
    changed[40:44] = struct.pack("<I", data)
    if riff is not None:
        changed[4:8] = struct.pack("<I", riff)
    return bytes(changed)


WAV = encoded("WAV", "PCM_16", noise(1.53))
SIZE = len(WAV) - 44


@pytest.mark.parametrize("data", [SIZE + 44, SIZE + 36, SIZE + 2, SIZE + 1_000_000, -(-SIZE // 4096) * 4096])
def test_a_data_size_that_is_too_large_is_said_and_the_sound_used(data: int) -> None:
    for content in (header(WAV, data), header(WAV, data, data + 36) if data < SIZE + 5_000 else header(WAV, data)):
        assert np.array_equal(audio.decode(content).samples, audio.decode(WAV).samples)
        assert f"{data - SIZE} bytes more than the file holds" in remarks(content)["header"]
        assert audio.duration(content) == audio.duration(WAV)


LONG = {pair: encoded(*pair, noise(4.0, seed=9)) for pair in FORMATS}


@pytest.mark.parametrize("pair", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.0025, 0.01])
def test_a_small_loss_at_the_end_is_forgiven_and_said(pair: tuple[str, str], share: float) -> None:
    whole = LONG[pair]
    content = whole[: len(whole) - max(1, int(share * len(whole)))]
    waveform = audio.decode(content)
    assert 3.7 < waveform.duration <= 4.0
    reference = audio.decode(whole).samples[: len(waveform.samples) - 2_000]
    assert np.abs(waveform.samples[: len(reference)] - reference).max() < 1e-3
    assert audio.duration(content)[0] == waveform.duration
    assert "header" in remarks(content)


@pytest.mark.parametrize("pair", FORMATS)
@pytest.mark.parametrize("share", [0.07, 0.15, 0.5, 0.9])
def test_a_large_loss_at_the_end_is_refused(pair: tuple[str, str], share: float) -> None:
    whole = LONG[pair]
    with pytest.raises(AudioError) as error:
        audio.decode(whole[: int(len(whole) * (1 - share))])
    assert error.value.kind == "truncated"


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_stream_without_its_last_page(subtype: str) -> None:
    whole = encoded("OGG", subtype, noise(8.0))
    waveform = audio.decode(whole[: whole.rfind(b"OggS")])
    assert 6.0 < waveform.duration < 8.0
    assert "marks the end" in remarks(whole[: whole.rfind(b"OggS")])["header"]


def test_a_short_recording_may_not_lose_much_of_itself() -> None:
    short = encoded("WAV", "PCM_16", noise(0.3))
    assert audio.decode(short[: -int(0.02 * 2 * SR)]).duration == pytest.approx(0.28)
    with pytest.raises(AudioError, match="truncated"):
        audio.decode(short[: -int(0.06 * 2 * SR)])


def test_odd_bytes_at_the_end_are_no_loss() -> None:
    stereo = encoded("WAV", "PCM_24", noise(0.5, channels=2))
    for cut in range(1, 6):
        assert len(audio.decode(stereo[:-cut]).samples) == SR // 2 - 1


# Codecs of others.


@pytest.mark.parametrize(
    ("format_", "codec"), [("caf", "adpcm_ima_qt"), ("wav", "adpcm_yamaha"), ("w64", "libmp3lame"), ("tta", "tta")]
)
def test_ffmpeg_is_asked_where_libsndfile_gives_up(monkeypatch: pytest.MonkeyPatch, format_: str, codec: str) -> None:
    content = with_av(format_, codec, noise(2.0))
    whole = audio.decode(content)
    assert whole.duration == pytest.approx(2.0, abs=0.1)
    assert audio.duration(content)[0] == whole.duration
    assert np.array_equal(audio.decode(content, start=1.0, end=1.5).samples, whole.samples[SR : 3 * SR // 2])
    with pytest.raises(AudioError, match="truncated|corrupt"):
        audio.decode(content[: len(content) * 6 // 10])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(AudioError, match=r'needs-ffmpeg.*pip install .*\[ffmpeg\]"'):
        audio.decode(content)


@pytest.mark.parametrize("missing", [False, True])
def test_where_both_fail_the_first_failure_is_reported(monkeypatch: pytest.MonkeyPatch, missing: bool) -> None:
    if missing:
        monkeypatch.setitem(sys.modules, "av", None)
    for content, kind in (
        (b"RIFF\xf4\1\0\0WAVEfmt " + b"\xff" * 480, "corrupt"),
        (TEXT, "not-audio"),
        (bytes(400), "not-audio"),
    ):
        with pytest.raises(AudioError) as error:
            audio.decode(content)
        assert error.value.kind == kind


def test_mp3_in_a_wav_and_layer_two_are_counted_too() -> None:
    inside = with_av("wav", "libmp3lame", noise(3.0))
    second = with_av("mp2", "mp2", noise(3.0))
    for content in (inside, second, second + second):
        whole = audio.decode(content)
        assert whole.duration == pytest.approx(
            3.0 * (1 + (len(content) > len(second) and content[:2] == second[:2])), abs=0.12
        )
        assert audio.duration(content)[0] == whole.duration


@pytest.mark.parametrize("codec", ["aac", "pcm_s16le"])
def test_joined_containers_of_others(codec: str) -> None:
    one = with_av("mp4" if codec == "aac" else "matroska", codec, noise(1.5))
    joined = audio.decode(one + one)
    assert np.array_equal(joined.samples, np.tile(audio.decode(one).samples, 2))


# Standard error.


def damaged(content: bytes) -> bytes:
    rng, changed = np.random.default_rng(0), bytearray(content)
    for at in range(len(content) // 4, len(content) - 200, 3_001):
        changed[at : at + 20] = rng.bytes(20)
    return bytes(changed)


def test_libmpg123_says_nothing(vbr: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    comment = b"COMM" + (9).to_bytes(4, "big") + b"\0\0" + b"\x01eng\xff\xfeabc"
    tag = b"ID3\x04\0\0\0\0\0" + bytes([len(comment)]) + comment
    good = encoded("MP3", "MPEG_LAYER_III", noise(2.0))
    for content in (tag + good, good + TEXT + good, TEXT + vbr, damaged(vbr), damaged(good), vbr[:-100]):
        audio.decode(content)
        audio.decode(content, start=1.0, end=1.5)
    assert capfd.readouterr().err == ""


def test_what_python_writes_meanwhile_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    inside, done = threading.Event(), threading.Event()

    def other() -> None:
        with muted():
            inside.set()
            done.wait()

    thread = threading.Thread(target=other)
    thread.start()
    inside.wait()
    with muted():
        print("a warning", file=sys.stderr, flush=True)
    print("a progress bar", file=sys.stderr, flush=True)
    done.set()
    thread.join()
    assert capfd.readouterr().err == "a warning\na progress bar\n"


def test_frames_that_are_damaged_do_not_shorten_the_rest(vbr: bytes) -> None:
    whole = audio.decode(vbr).duration
    changed: Any = damaged(vbr)
    assert whole - 1.0 < audio.decode(changed).duration <= whole
