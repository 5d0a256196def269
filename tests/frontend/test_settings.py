from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from references import BASE, examples, front_end

from earmark.errors import SettingsError
from earmark.frontend.front_end import FrontEnd, FrontEndSettings
from earmark.frontend.settings import RANGES
from earmark.training.settings import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")

FEATURES = "mel, stft, mfcc, chroma, contrast"
PICTURE = {"image_height": 16, "image_width": 16}
NUMBERS = [f.name for f in dataclasses.fields(FrontEndSettings) if f.type == "float"]

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"fmax": 4001.0}, "setting fmax is 4001 Hz; at a rate of 8000 Hz it may be at most 4000"),
    ({"fmin": 4000.0}, "setting fmin is 4000 Hz; it must be 0 at least and lie below fmax, 4000"),
    ({"fmin": 3000.0, "fmax": 200.0}, "setting fmin is 3000 Hz; it must be 0 at least and lie below fmax, 200"),
    ({"fmin": -1.0}, "setting fmin is -1 Hz; it must be 0 at least and lie below fmax, 4000"),
    (
        {"n_mels": 300},
        "setting n_mels is 300; 87 of the bands would be empty at 129 frequencies: take fewer, or a longer fft_seconds",
    ),
    ({"n_mels": 0}, "setting n_mels is 0; the allowed range is 1 to 512"),
    ({"mel_scale": "bark"}, "setting mel_scale is 'bark'; choose one of slaney, htk"),
    ({"fft_seconds": 0.0004}, "setting fft_seconds is 0.0004; at a rate of 8000 Hz it must be 0.0005 at least"),
    ({"hop_seconds": 0.0}, "setting hop_seconds is 0; it must be above 0 and at most fft_seconds, 0.032"),
    ({"hop_seconds": -0.01}, "setting hop_seconds is -0.01; it must be above 0 and at most fft_seconds, 0.032"),
    ({"hop_seconds": 0.033}, "setting hop_seconds is 0.033; it must be above 0 and at most fft_seconds, 0.032"),
    ({"features": "mels"}, f"setting features names 'mels'; choose among {FEATURES}"),
    ({"features": "mel,"}, f"setting features names ''; choose among {FEATURES}"),
    ({"features": "mel, chroma, mel"}, "setting features is 'mel, chroma, mel'; name each of them once"),
    ({"scale": "ln"}, "setting scale is 'ln'; choose one of log, db, power, magnitude, pcen, pcen-trained"),
    ({"floor": 0.0}, "setting floor is 0; the allowed range is 1e-12 to 1"),
    ({"floor": 1e-50}, "setting floor is 1e-50; the allowed range is 1e-12 to 1"),  # 0 in float32: log gives -inf
    ({"floor": 2.0}, "setting floor is 2; the allowed range is 1e-12 to 1"),
    ({"features": "mfcc", "n_mfcc": 33}, "setting n_mfcc is 33; the allowed range is 1 to n_mels, 32"),
    ({"features": "mfcc", "n_mfcc": 0}, "setting n_mfcc is 0; the allowed range is 1 to n_mels, 32"),
    ({"features": "mfcc", "lifter": -3.0}, "setting lifter is -3; the allowed range is 0 to 1000"),
    ({"features": "chroma", "n_chroma": 0}, "setting n_chroma is 0; the allowed range is 2 to 96"),
    (
        {"features": "contrast", "contrast_bands": 6},
        "setting contrast_bands is 6; at a rate of 8000 Hz the allowed range is 1 to 5",
    ),
    ({"features": "contrast", "contrast_bands": -1}, "setting contrast_bands is -1; the allowed range is 0 to 12"),
    (
        {"features": "contrast", "fft_seconds": 0.004, "hop_seconds": 0.002},
        "setting fft_seconds is 0.004; contrast needs two frequencies in a band, and 0 to 200 Hz holds 1: take 0.01 at "
        "least, or fewer contrast_bands",
    ),
    ({"deltas": 3}, "setting deltas is 3; the allowed range is 0 to 2"),
    ({"deltas": -1}, "setting deltas is -1; the allowed range is 0 to 2"),
    ({"image_height": 16}, "settings image_height and image_width are 16 and 0; give both, or 0 for both"),
    ({"image_width": 16}, "settings image_height and image_width are 0 and 16; give both, or 0 for both"),
    ({"image_height": -1, "image_width": -1}, "setting image_height is -1; the allowed range is 0 to 4096"),
    ({**PICTURE, "image_range_db": 0.0}, "setting image_range_db is 0; the allowed range is 1 to 200"),
    (
        {"image_height": 16, "image_width": 8, "deltas": 1},
        "setting image_width is 8; with deltas it must be 9 at least",
    ),
    ({"level_range_db": -1.0}, "setting level_range_db is -1; the allowed range is 0 to 200"),
    *(
        (
            change | {"level_range_db": 30.0},
            "setting level_range_db is 30; it takes features mel or stft alone, with scale log; 0 switches it off",
        )
        for change in ({"features": "mfcc"}, {"features": "mel,chroma"}, {"scale": "db"})
    ),
    *(
        (
            PICTURE | change,
            "setting image_height is 16; an image is made of mel or stft alone, with the scale log or db",
        )
        for change in ({"features": "mfcc"}, {"features": "mel,chroma"}, {"scale": "pcen"})
    ),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=lambda v: str(v)[:40])
def test_wrong_settings(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        FrontEnd(8_000, dataclasses.replace(BASE, **changes))
    assert str(caught.value) == message


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_no_number_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(SettingsError, match=rf"^setting {name} is {value}; "):
        front_end(8_000, **{name: value})


def test_half_of_an_odd_rate() -> None:
    with pytest.raises(SettingsError, match=r"fmax is 6000 Hz; at a rate of 11025 Hz it may be at most 5512\.5$"):
        front_end(11_025, fmax=6_000.0)
    assert front_end(11_025, fmax=5_512.5).height == 32


def test_a_rate_without_octaves() -> None:
    with pytest.raises(SettingsError, match=r"names 'contrast'; a rate of 400 Hz has no octave above 200 Hz for it"):
        front_end(400, features="contrast", fft_seconds=0.5)


@pytest.mark.parametrize(
    ("changes", "time", "least"),
    [({}, 255, "0.032"), ({"deltas": 1}, 256 + 8 * 80 - 1, "0.112"), ({**PICTURE, "deltas": 1}, 255, "0.032")],
)
def test_too_short_a_time(changes: dict[str, Any], time: int, least: str) -> None:
    module = front_end(8_000, **changes)
    message = rf"^setting window_seconds is {time / 8_000:g}; .* it must be {least} at least$"
    with pytest.raises(SettingsError, match=message):
        module.frames(time)
    assert module(torch.zeros(1, time + 1)).shape[1:3] == (module.channels, module.height)
    assert module.frames(time + 1) == (9 if least == "0.112" else 1)


def test_recipes_allow_no_more_than_the_front_end() -> None:
    allowed = {f.name: (f.metadata["low"], f.metadata["high"]) for f in dataclasses.fields(Recipe)}
    for name, (low, high) in RANGES.items():
        assert low <= allowed[name][0] and allowed[name][1] <= high, name


@examples
@given(
    st.builds(
        FrontEndSettings,
        fft_seconds=st.floats(0.001, 0.2),
        hop_seconds=st.floats(0.001, 0.1),
        n_mels=st.integers(0, 80),
        fmin=st.floats(-10, 5_000),
        fmax=st.floats(10, 5_000),
        floor=st.sampled_from((0.0, 1e-12, 1e-6, 1.0)),
        features=st.sampled_from(("mel", "stft", "mfcc", "chroma", "contrast", "mel,mfcc,contrast")),
        scale=st.sampled_from(("log", "power", "pcen")),
        n_mfcc=st.integers(1, 40),
        contrast_bands=st.integers(0, 6),
        deltas=st.integers(0, 2),
        image_height=st.sampled_from((0, 0, 8)),
        image_width=st.sampled_from((0, 0, 8, 20)),
    )
)
def test_settings_are_refused_in_one_line_or_work(settings: FrontEndSettings) -> None:
    try:
        module = FrontEnd(8_000, settings)
    except SettingsError as error:
        assert str(error).startswith("setting") and "\n" not in str(error)
    else:
        x = torch.rand(2, 12_000, generator=torch.Generator().manual_seed(0)) - 0.5
        found = module(x)
        frames = settings.image_width or module.frames(12_000)
        assert found.shape == (2, module.channels, module.height, frames)
        assert found.isfinite().all()


def test_a_hop_as_long_as_the_frame_may_be_rounded_like_it() -> None:
    hop_seconds = 706 / 22_050  # what a recipe makes of 0.032 s
    module = front_end(22_050, fft_seconds=0.032, hop_seconds=hop_seconds)
    assert module.hop_length == module.win_length == 706
