from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from conftest import tone
from earmark.errors import DataError, MissingExtra, OutputError, SettingsError
from earmark.figures import images
from earmark.figures.images import ImageOptions, png, workers
from earmark.figures.images.names import plan
from earmark.frontend.front_end import FrontEnd, FrontEndSettings

SR = 8_000


def put(path: Path, frequency: float = 1000, seconds: float = 1.0, *, sr: int = SR) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(frequency, seconds, sr), sr)
    return path


def tree(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def front_end_values(path: Path, info: dict[str, Any]) -> np.ndarray:
    front_end = FrontEnd(info["sample_rate"], FrontEndSettings(**info["front_end"]))
    samples, _ = soundfile.read(path, dtype="float32")
    with torch.inference_mode():
        rows = front_end.rows(torch.from_numpy(samples)[None]).transpose(1, 2).unsqueeze(1)
        return front_end.stack(rows)[0].flatten(0, 1).numpy()


def test_settings_are_those_of_the_front_end_but_for_its_picture_and_levels() -> None:
    names = {f.name for f in dataclasses.fields(FrontEndSettings)}
    assert set(images.SETTINGS) == names - {"image_height", "image_width", "image_range_db", "level_range_db"}


def test_gray16_gives_the_values_back(tmp_path: Path) -> None:
    source = put(tmp_path / "a.wav")
    done = images.write(source, tmp_path / "out", options=ImageOptions(colors="gray16", settings=["scale=db"]))
    assert done.written == (tmp_path / "out" / "a.png",)
    values, info = images.read(done.written[0])
    true = front_end_values(source, info)
    assert values.shape == true.shape == (info["rows"], info["frames"])
    assert np.abs(values - true).max() <= info["slope"] * 0.5001
    assert info["slope"] == pytest.approx((true.max() - true.min()) / 65_535)
    assert info["unit"] == "dB" and info["sample_rate"] == SR and info["hop_seconds"] == 0.01
    assert info["source"] == "a.wav" and info["front_end"]["n_mels"] == 64
    # Any reader of PNG finds the highest frequency on top, and the scale in the text.
    with Image.open(done.written[0]) as image:
        assert image.mode == "I;16" and image.size == true.shape[::-1]
        assert int(np.asarray(image)[0, 0]) == round((true[-1, 0] - info["offset"]) / info["slope"])
        assert "earmark" in image.info


def test_eight_bits_give_back_what_lies_within_the_range(tmp_path: Path) -> None:
    source = put(tmp_path / "a.wav")
    done = images.write(source, tmp_path / "out", options=ImageOptions(range_db=30, settings=["scale=db"]))
    values, info = images.read(done.written[0])
    true = front_end_values(source, info)
    assert info["range_db"] == 30 and info["slope"] == pytest.approx(30 / 255)
    assert values.max() == pytest.approx(true.max())
    assert np.abs(values - np.maximum(true, true.max() - 30)).max() <= info["slope"] * 0.5001
    assert (true < true.max() - 31).any()
    with Image.open(done.written[0]) as image:
        assert image.mode == "P" and image.convert("RGB").getpixel((0, 0)) == (0, 0, 3)  # where magma begins


def test_natural_logarithms_have_the_same_pixels_as_decibels(tmp_path: Path) -> None:
    source = put(tmp_path / "a.wav")
    pixels = []
    for scale in ("log", "db"):
        done = images.write(source, tmp_path / scale, options=ImageOptions(colors="gray", settings=[f"scale={scale}"]))
        with Image.open(done.written[0]) as image:
            assert image.mode == "L"
            pixels.append(np.asarray(image).astype(int))
    assert np.abs(pixels[0] - pixels[1]).max() <= 1 and pixels[0].max() == 255


def test_a_tone_lights_the_row_of_its_frequency(tmp_path: Path) -> None:
    for frequency in (500, 1500, 3000):
        source = put(tmp_path / f"{frequency}.wav", frequency)
        done = images.write(source, tmp_path / "out", options=ImageOptions(colors="gray", settings=["features=stft"]))
        with Image.open(done.written[0]) as image:
            pixels = np.asarray(image)
        row = len(pixels) - 1 - int(pixels.mean(axis=1).argmax())  # from the bottom
        assert row * SR / 2 / (len(pixels) - 1) == pytest.approx(frequency, abs=SR / 256)


def test_every_feature_and_several_of_them_make_one_image(tmp_path: Path) -> None:
    source = put(tmp_path / "a.wav")
    for features, deltas, unit in (
        ("mfcc", 0, "dB"),
        ("mel,chroma", 0, "ln(power), share of the largest"),
        ("mfcc", 2, "dB"),
    ):
        chosen = ImageOptions(
            colors="gray16", settings=[f"features={features}", f"deltas={deltas}", "fft_seconds=0.064"]
        )
        values, info = images.read(images.write(source, tmp_path / f"{features}{deltas}", options=chosen).written[0])
        assert np.abs(values - front_end_values(source, info)).max() <= info["slope"] * 0.5001
        assert info["unit"] == unit and info["range_db"] is None


def test_size_rate_and_channel(tmp_path: Path) -> None:
    sound = np.stack([tone(500, 1.0, 16_000), tone(3000, 1.0, 16_000)], axis=1)
    soundfile.write(tmp_path / "a.wav", sound, 16_000)
    loudest = []
    for channel in (0, 1):
        chosen = ImageOptions(size=(50, 90), sample_rate=12_000, channel=channel)
        values, info = images.read(images.write(tmp_path / "a.wav", tmp_path / str(channel), options=chosen).written[0])
        assert values.shape == (50, 90) and (info["rows"], info["sample_rate"]) == (64, 12_000)
        assert info["front_end"]["fmax"] == 6000
        loudest.append(int(values.mean(axis=1).argmax()))
    assert loudest[0] < 15 < 30 < loudest[1]


def test_long_recordings_are_taken_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = put(tmp_path / "a.wav", seconds=3.3)
    monkeypatch.setattr(workers, "_BLOCK_SECONDS", 0.27)
    values, info = images.read(images.write(source, tmp_path / "out", options=ImageOptions(colors="gray16")).written[0])
    assert np.abs(values - front_end_values(source, info)).max() <= info["slope"] * 0.51


def test_silence_is_dark(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(SR), SR)
    for colors in ("magma", "gray16"):
        done = images.write(tmp_path / "a.wav", tmp_path / colors, options=ImageOptions(colors=colors))
        values, info = images.read(done.written[0])
        with Image.open(done.written[0]) as image:
            assert not np.asarray(image).any()
        assert values == pytest.approx(np.log(1e-6)) and info["slope"] > 0


def test_rate_and_hop_by_the_recordings(tmp_path: Path) -> None:
    for i in range(2):
        put(tmp_path / "in" / f"{i}.wav", seconds=3)
    put(tmp_path / "in" / "other.wav", seconds=3, sr=16_000)
    done = images.write(tmp_path / "in", tmp_path / "out")
    assert (done.sample_rate, done.hop_seconds) == (8_000, 0.016)
    assert {images.read(path)[1]["sample_rate"] for path in done.written} == {8_000}


def test_the_tree_is_mirrored_and_clashing_names_keep_their_extension(tmp_path: Path) -> None:
    for name in ("dog/a.wav", "dog/a.flac", "dog/a.wav.flac", "dog/b.wav", "cat/deep/a.wav"):
        put(tmp_path / "in" / name, seconds=0.2)
    done = images.write(tmp_path / "in", tmp_path / "out")
    assert tree(tmp_path / "out") == [
        "cat/deep/a.png", "dog/a.flac.png", "dog/a.wav.flac.png", "dog/a.wav.png", "dog/b.png",
    ]  # fmt: skip
    assert done.with_extension == 3
    assert {images.read(p)[1]["source"] for p in done.written if "a.wav" in p.name} == {"a.wav", "a.wav.flac"}


def test_several_folders_keep_their_names(tmp_path: Path) -> None:
    for name in ("x/dog/a.wav", "y/dog/a.wav", "y/x/a.wav"):
        put(tmp_path / name, seconds=0.2)
    names = [name.as_posix() for _, name in plan([tmp_path / "x", tmp_path / "y", tmp_path / "y" / "dog" / "a.wav"])]
    assert names == ["x/dog/a.png", "y/dog/a.png", "y/x/a.png"]
    with pytest.raises(DataError, match=r"would both become x/a\.wav\.png; give the folder that holds both"):
        put(tmp_path / "x" / "a.wav", seconds=0.2)
        plan([tmp_path / "x", tmp_path / "y" / "x"])


def test_a_second_run_makes_only_what_is_missing_or_stale(tmp_path: Path) -> None:
    for i in range(4):
        put(tmp_path / "in" / f"{i}.wav", 500 + 100 * i)
    out = tmp_path / "out"
    assert len(images.write(tmp_path / "in", out).written) == 4
    before = {p: p.stat().st_mtime_ns for p in out.iterdir()}
    again = images.write(tmp_path / "in", out)
    assert len(again.skipped) == 4 and again.written == ()
    assert {p: p.stat().st_mtime_ns for p in out.iterdir()} == before
    (out / "0.png").unlink()
    whole = (out / "1.png").read_bytes()
    (out / "1.png").write_bytes(whole[:-5])
    put(tmp_path / "in" / "2.wav", 3000, 1.5)
    done = images.write(tmp_path / "in", out)
    assert [p.name for p in done.written] == ["0.png", "1.png", "2.png"]
    assert (out / "1.png").read_bytes() == whole
    other = ImageOptions(settings=["n_mels=40"])
    assert len(images.write(tmp_path / "in", out, options=other).written) == 4
    assert {images.read(p)[0].shape[0] for p in out.iterdir()} == {40}
    assert len(images.write(tmp_path / "in", out, options=other, overwrite=True).written) == 4


def test_a_newer_recording_of_the_same_size_is_made_again(tmp_path: Path) -> None:
    source = put(tmp_path / "a.wav", 500)
    first = images.read(images.write(source, tmp_path / "out").written[0])[0]
    put(source, 2000)
    later = time.time() + 10
    os.utime(source, (later, later))
    second = images.read(images.write(source, tmp_path / "out").written[0])[0]
    assert second.mean(axis=1).argmax() > first.mean(axis=1).argmax() + 10


@pytest.mark.skipif(os.name == "nt", reason="renaming changes no time there")
def test_recordings_that_changed_places_are_made_again(tmp_path: Path) -> None:
    places = [put(tmp_path / "in" / "a.wav", 500), put(tmp_path / "in" / "b.wav", 2000)]
    made = images.write(tmp_path / "in", tmp_path / "out").written
    before = [images.read(path)[0] for path in made]
    latest = max(path.stat().st_mtime_ns for path in made)
    tick = tmp_path / "tick"
    tick.touch()
    while tick.stat().st_mtime_ns <= latest:  # clocks of file systems go in steps
        tick.touch()
    for place, to in ((places[0], tmp_path / "c"), (places[1], places[0]), (tmp_path / "c", places[1])):
        place.rename(to)
    images.write(tmp_path / "in", tmp_path / "out")
    assert np.array_equal(images.read(made[0])[0], before[1])


def test_a_folder_in_the_place_of_another_is_made_anew(tmp_path: Path) -> None:
    for name, frequency in (("loud", 500), ("faint", 2000)):
        put(tmp_path / name / "a.wav", frequency)
        os.utime(tmp_path / name / "a.wav", (1e9, 1e9))
    before = images.read(images.write(tmp_path / "loud", tmp_path / "out").written[0])[0]
    again = images.write(tmp_path / "faint", tmp_path / "out")
    assert len(again.written) == 1 and again.skipped == ()
    assert not np.array_equal(images.read(again.written[0])[0], before)


def test_a_recording_of_the_future_is_not_made_twice(tmp_path: Path) -> None:
    source = put(tmp_path / "a.wav")
    later = time.time() + 1e6
    os.utime(source, (later, later))
    assert len(images.write(source, tmp_path / "out").written) == 1
    assert len(images.write(source, tmp_path / "out").skipped) == 1


@pytest.mark.parametrize("after", [b"", b"more", b"\xff\xd8 no PNG at all"])
def test_images_of_others_stay(tmp_path: Path, after: bytes) -> None:
    source = put(tmp_path / "a.wav")
    (tmp_path / "out").mkdir()
    Image.new("L", (3, 3)).save(tmp_path / "out" / "a.png")
    before = (tmp_path / "out" / "a.png").read_bytes()
    (tmp_path / "out" / "a.png").write_bytes(after if b"no PNG" in after else before + after)
    before = (tmp_path / "out" / "a.png").read_bytes()
    ((path, why),) = images.write(source, tmp_path / "out").failed
    assert path == source and "was not made by Earmark; choose another folder" in why
    assert (tmp_path / "out" / "a.png").read_bytes() == before
    if not after:
        with pytest.raises(DataError, match=r"holds no values of Earmark's"):
            images.read(tmp_path / "out" / "a.png")
    assert images.write(source, tmp_path / "out", overwrite=True).failed == ()


def test_bad_recordings_do_not_stop_the_rest(tmp_path: Path) -> None:
    put(tmp_path / "in" / "good.wav")
    put(tmp_path / "in" / "short.wav", seconds=0.01)
    (tmp_path / "in" / "bad.wav").write_text("no sound")
    done = images.write([tmp_path / "in", tmp_path / "none.wav"], tmp_path / "out")
    assert tree(tmp_path / "out") == ["in/good.png"]
    kinds = {path.name: why.split(": ")[1] for path, why in done.failed}
    assert kinds == {"bad.wav": "not-audio", "none.wav": "missing", "short.wav": "range"}
    assert "0.01 s are too short for an image; with these settings it takes 0.032 s" in str(done.failed)
    with pytest.raises(DataError, match=r"none of the 1 recordings can be used, e.g. .*bad.wav"):
        images.write(tmp_path / "in" / "bad.wav", tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (ImageOptions(settings=["epochs=3"]), "'epochs' is no setting of the front end; choose among fft_seconds"),
        (ImageOptions(settings=["image_height=3"]), "say size=HxW and range_db=DB"),
        (ImageOptions(settings=["n_mels=4"]), "setting n_mels is 4; the allowed range is 8 to 512"),
        (ImageOptions(settings=["n_mels=400"]), "of the bands would be empty"),
        (ImageOptions(settings=["features=wavelet"]), "features names 'wavelet'"),
        (ImageOptions(settings=["fmax=9000"]), "at a rate of 8000 Hz it may be at most 4000"),
        (ImageOptions(settings=["n_mels"]), "write key=value"),
        (ImageOptions(colors="rainbows"), "colors is 'rainbows'; choose magma, viridis"),
        (ImageOptions(range_db=0), "range_db is 0; the allowed range is 1 to 200"),
        (ImageOptions(size=(0, 9)), "size is 0x9; each side may be 1 to 8192"),
        (ImageOptions(figure=True, size=(9, 9)), "leave out size=HxW"),
        (ImageOptions(dark=True), "add figure=True"),
        (ImageOptions(sample_rate=5), "the allowed range is 1000 to 500000 Hz"),
        (ImageOptions(recipe="none"), "unknown recipe 'none'"),
    ],
)
def test_wrong_options_write_nothing(tmp_path: Path, options: ImageOptions, message: str) -> None:
    source = put(tmp_path / "a.wav")
    with pytest.raises(SettingsError) as error:
        images.write(source, tmp_path / "out", options=options)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert tree(tmp_path) == ["a.wav"] and not (tmp_path / "out").exists()


def test_processes_make_the_same_images_and_raise_the_same_errors(tmp_path: Path) -> None:
    for i in range(5):
        put(tmp_path / "in" / "x" / f"{i}.wav", 500 + 300 * i)
    (tmp_path / "in" / "x" / "bad.wav").write_text("no sound")
    here = images.write(tmp_path / "in", tmp_path / "here", workers=1)
    there = images.write(tmp_path / "in", tmp_path / "there", workers=2)
    assert len(here.written) == 5 and here.failed == there.failed != ()
    for path in here.written:
        a, b = images.read(path)[0], images.read(tmp_path / "there" / path.relative_to(tmp_path / "here"))[0]
        assert np.allclose(a, b, atol=0.1)
    with pytest.raises(SettingsError, match="bands would be empty"):
        images.write(tmp_path / "in", tmp_path / "no", options=ImageOptions(settings=["n_mels=400"]), workers=2)
    assert not (tmp_path / "no").exists()
    with pytest.raises(SettingsError, match="workers is -1"):
        images.write(tmp_path / "in", tmp_path / "no", workers=-1)


def test_a_folder_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    source = put(tmp_path / "a.wav")
    with pytest.raises(OutputError, match=r"a\.wav: cannot be"):
        images.write(source, source / "out")
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(OutputError, match="no permission"):
            images.write(source, tmp_path / "locked" / "out")


def test_no_half_image_after_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = put(tmp_path / "a.wav")

    def full(self: Image.Image, path: Path, *_: object, **__: object) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space"):
        images.write(source, tmp_path / "out")
    assert tree(tmp_path / "out") == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal as a terminal does")
def test_ctrl_c_leaves_whole_images_and_the_same_call_goes_on(tmp_path: Path) -> None:
    sound = put(tmp_path / "one.wav", seconds=4)
    (tmp_path / "in").mkdir()
    for i in range(600):
        shutil.copy(sound, tmp_path / "in" / f"{i}.wav")
    words = ["spectrogram", tmp_path / "in", "--out", tmp_path / "out", "--workers", 2, "--size", "600x900"]
    command = [sys.executable, "-m", "earmark.cli", *map(str, words)]
    # A group of its own, since a terminal's Ctrl-C reaches the processes that make the images too.
    with subprocess.Popen(command, stdout=-1, stderr=-1, text=True, start_new_session=True) as process:
        limit = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < limit and len(list(tmp_path.glob("out/[0-9]*.png"))) < 5:
            time.sleep(0.02)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert len(err.splitlines()) == 1 and "the same command continues" in err
    made = tree(tmp_path / "out")
    assert 5 <= len(made) < 600 and not [name for name in made if name.startswith(".")]
    for name in made:
        assert images.read(tmp_path / "out" / name)[0].shape == (600, 900)


def test_reading_needs_no_torch(tmp_path: Path) -> None:
    path = images.write(put(tmp_path / "a.wav"), tmp_path / "out").written[0]
    code = (
        f"import sys; from earmark.figures import images; images.read({str(path)!r})\n"
        "print([m for m in ('torch', 'librosa', 'matplotlib', 'pandas') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "damage", [lambda b: b[:40], lambda b: b"text" + b[:0], lambda b: b[:60] + b"\xff" * 20 + b[80:]]
)
def test_damaged_images_are_refused_in_one_line(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = images.write(put(tmp_path / "a.wav"), tmp_path / "out").written[0]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError) as error:
        images.read(path)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)
    with pytest.raises(DataError, match="cannot be read"):
        images.read(tmp_path / "none.png")


def test_figures_have_axes_and_are_skipped_like_images(tmp_path: Path) -> None:
    source = put(tmp_path / "ü$x^.wav")
    for dark, ground in ((False, 255), (True, 22)):
        chosen = ImageOptions(figure=True, dark=dark)
        (path,) = images.write(source, tmp_path / "out", options=chosen).written
        with Image.open(path) as image:
            assert image.size == (960, 360) and image.convert("L").getpixel((1, 1)) == ground
        assert images.write(source, tmp_path / "out", options=chosen).skipped == (path,)
    with pytest.raises(DataError, match="is a figure, whose pixels hold no values"):
        images.read(path)


def test_about_of_an_image_of_others_is_none(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "a.png")
    assert png.about(tmp_path / "a.png") is None


def test_images_of_a_day_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # what Pillow opens by itself
    values = np.random.default_rng(0).normal(size=(5, 250_000)).astype(np.float32)
    png.write(tmp_path / "a.png", values, {"unit": "dB"}, bits=16)
    found, info = png.read(tmp_path / "a.png")
    assert np.abs(found - values).max() <= info["slope"] * 0.5001


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_names_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(put(tmp_path / "a.wav"), tmp_path / "in" / os.fsdecode(b"\xff \xc3\xa9\n.wav"))
    for figure in (False, True):
        chosen = ImageOptions(figure=figure)
        assert len(images.write(tmp_path / "in", tmp_path / "out", options=chosen).written) == 1
        assert len(images.write(tmp_path / "in", tmp_path / "out", options=chosen).skipped) == 1


def test_missing_packages_name_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "find_spec", lambda name: None if name == "torch" else name)
    with pytest.raises(MissingExtra, match=r'pip install .*\[train\]"'):
        images.write(put(tmp_path / "a.wav"), tmp_path / "out")


@pytest.mark.parametrize("figure", [False, True])
def test_half_an_image_is_made_again(tmp_path: Path, figure: bool) -> None:
    source = put(tmp_path / "a.wav")
    options = ImageOptions(figure=figure)
    (made,) = images.write(source, tmp_path / "out", options=options).written
    made.write_bytes(made.read_bytes()[: made.stat().st_size // 2])
    assert images.write(source, tmp_path / "out", options=options).written == (made,)


@pytest.mark.skipif(os.name == "nt", reason="kills a process")
def test_processes_end_with_a_parent_that_is_killed() -> None:
    code = (
        "import multiprocessing as m, os, sys\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from earmark.figures.images import workers\n"
        "pool = ProcessPoolExecutor(1, mp_context=m.get_context('spawn'), initializer=workers._start)\n"
        "print(pool.submit(os.getpid).result(), flush=True)\n"
        "sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert int(parent.stdout.readline()) != parent.pid
    parent.kill()
    parent.communicate(timeout=60)  # the pipe closes when the last of those who inherited it ends


def test_recordings_behind_the_sample_are_looked_at_where_it_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_SURVEYED", 2)
    for i in range(4):
        place = tmp_path / "in" / f"{i}.wav"
        place.parent.mkdir(exist_ok=True)
        if i % 2:
            put(place)
        else:
            place.write_bytes(b"RIFF")
    done = images.write(tmp_path / "in", tmp_path / "out")
    assert (len(done.written), len(done.failed)) == (2, 2)
