from __future__ import annotations

import itertools
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.typing import ColorType

from conftest import tone
from earmark.errors import SettingsError
from earmark.figures import plots
from earmark.frontend.front_end import FrontEnd, FrontEndSettings
from earmark.types import Waveform


def ticks(axes: Axes) -> dict[str, float]:
    """Where each tick of the rows stands; a row's middle is at its number and a half."""
    return {t.get_text(): float(p) for p, t in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)}


def test_spectrogram_shows_the_tone_in_its_place() -> None:
    figure = plots.spectrogram(Waveform(tone(1000, 1.0, 16_000), 16_000), title="a tone")
    axes = figure.axes[0]
    image = np.asarray(axes.images[0].get_array())
    row = int(np.argmax(image.mean(axis=1)))
    assert ticks(axes)["1k"] == pytest.approx(row + 0.5, abs=1)
    assert image.max() == pytest.approx(0, abs=1e-4) and image.min() >= -80
    assert axes.get_xlabel() == "time (s)" and axes.get_title() == "a tone"


@pytest.mark.parametrize("sr", [8_000, 16_000, 44_100])
@pytest.mark.parametrize("features", ["mel", "stft"])
def test_tones_lie_in_the_rows_of_their_ticks(sr: int, features: str) -> None:
    top = sr / 2
    settings = FrontEndSettings(
        fft_seconds=0.064, hop_seconds=0.016, n_mels=64, fmin=20, fmax=top, floor=1e-6, features=features
    )
    front_end = FrontEnd(sr, settings)
    for name, frequency in (("1k", 1000), ("2k", 2000)):
        with torch.inference_mode():
            rows = front_end.rows(torch.from_numpy(tone(frequency, 0.5, sr))[None])[0].T.numpy()
        axes = plots.features(rows, front_end).axes[0]
        if name in ticks(axes):
            assert ticks(axes)[name] == pytest.approx(rows.mean(axis=1).argmax() + 0.5, abs=1)
    assert "1k" in ticks(axes)


@pytest.mark.parametrize(
    ("frequencies", "names"),
    [
        (np.geomspace(20, 96_000, 128), ["50", "100", "200", "500", "1k", "2k", "5k", "10k", "20k", "50k"]),
        (np.linspace(0, 24_000, 513), ["1k", "5k", "10k", "20k"]),
        (np.linspace(0, 500, 65), ["50", "100", "200", "500"]),
        (np.linspace(1100, 1900, 17), ["1.2k", "1.4k", "1.6k", "1.8k"]),
    ],
)
def test_ticks_are_round_and_do_not_overlap(frequencies: np.ndarray, names: list[str]) -> None:
    levels = np.zeros((len(frequencies), 5))
    figure = plots.deviation(levels, levels, frequencies, 1.0)
    plots.data_uri(figure)  # which lays it out
    for axes in figure.axes[:2]:
        assert list(ticks(axes)) == names
        boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
        assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))
        assert axes.get_ylabel() == "frequency (Hz)"


def test_confusion_matrix_writes_counts() -> None:
    figure = plots.confusion_matrix([[3, 1], [0, 4]], ["a", "b"])
    axes = figure.axes[0]
    assert sorted((t.get_position(), t.get_text()) for t in axes.texts) == [((0, 0), "3"), ((1, 0), "1"), ((1, 1), "4")]
    assert np.asarray(axes.images[0].get_array()).tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_learning_curves_with_and_without_validation(tmp_path: Path) -> None:
    rows = [{"epoch": e, "train_loss": 1 / (e + 1), "train_accuracy": e / 5, "valid_loss": 1.0} for e in range(5)]
    figure = plots.learning_curves(rows)
    loss, accuracy = figure.axes
    assert [line.get_ydata().tolist() for line in loss.lines] == [[1 / (e + 1) for e in range(5)], [1.0] * 5]
    assert len(accuracy.lines) == 1
    plots.save(figure, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert plots.data_uri(figure).startswith("data:image/png;base64,iVBOR")


def lightness(colour: ColorType) -> float:
    """Relative luminance, 0 to 1."""
    red, green, blue = to_rgb(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def unusual() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels and their deviation, shape (8, 5), with a band that is too loud and one that is too quiet; frequencies in Hz."""
    change = np.random.default_rng(0).normal(size=(8, 5))
    change[6], change[1] = 9, -4
    return -40 + 3 * change, change, np.geomspace(100, 3200, 8)


def made(dark: bool) -> dict[str, Figure]:
    sounds = [Waveform(tone(frequency, 0.5, 16_000), 16_000) for frequency in (500, 2000)]
    settings = FrontEndSettings(
        fft_seconds=0.064, hop_seconds=0.016, n_mels=32, fmin=50, fmax=8000, floor=1e-6, features="mel,mfcc,chroma"
    )
    front_end = FrontEnd(16_000, settings)
    return {
        "waveform": plots.waveform(sounds[0], title="a", dark=dark),
        "spectrogram": plots.spectrogram(sounds[0], title="a", dark=dark),
        "comparison": plots.comparison(*sounds, dark=dark),
        "gallery": plots.gallery({"low": sounds[:1], "both": sounds}, dark=dark),
        "features": plots.features(np.ones((64, 9)), front_end, title="a", dark=dark),
        "matrices": plots.front_end_matrices(front_end, dark=dark),
        "confusion": plots.confusion_matrix([[3, 1], [0, 4]], ["a", "b"], dark=dark),
        "curves": plots.learning_curves([{"epoch": 0, "train_loss": 1.0}, {"epoch": 1, "train_loss": 0.5}], dark=dark),
        "deviation": plots.deviation(*unusual(), 2.0, title="a", dark=dark),
        "scores": plots.unusual_scores(np.arange(9.0), np.full(9, 0.1), 1e-3, [(2, 3)], title="a", dark=dark),
    }


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_lines_can_be_read_on_their_ground(dark: bool, tmp_path: Path) -> None:
    for name, figure in made(dark).items():
        plots.save(figure, tmp_path / f"{name}.png")
        ground = lightness(figure.get_facecolor()[:3])
        assert (ground < 0.1) == dark
        found = [t for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
        assert found
        for text in found:
            if name == "confusion" and text in figure.axes[0].texts:  # these stand on cells
                continue
            assert abs(lightness(text.get_color()) - ground) > 0.6, (name, text.get_text())
        for line in figure.axes[0].lines:
            assert abs(lightness(line.get_color()) - ground) > 0.3, name


def test_maps_are_even_in_lightness_and_differences_are_orange_against_purple() -> None:
    for name in ("magma", "viridis", "cividis"):
        colours = np.frombuffer(plots.palette(name), np.uint8).reshape(256, 3) / 255
        assert (np.diff([lightness(colour) for colour in colours[::16]]) > 0).all()
    with pytest.raises(SettingsError, match="colors is 'rainbows'"):
        plots.palette("rainbows")
    below, above = (colormaps[made(False)["comparison"].axes[2].images[0].get_cmap().name](x) for x in (0.15, 0.85))
    assert below[0] > below[1] > below[2]  # orange
    assert above[2] > above[0] > above[1]  # purple


def test_waveform_keeps_a_single_loud_sample() -> None:
    samples = np.zeros(100_000, np.float32)
    samples[31_415] = 0.9
    axes = plots.waveform(Waveform(samples, 8_000)).axes[0]
    heights = np.concatenate([path.vertices[:, 1] for path in axes.collections[0].get_paths()])
    assert heights.max() == pytest.approx(0.9) and heights.min() == 0
    assert axes.get_xlim() == (0, 12.5)


def test_comparison_shares_one_scale_and_subtracts() -> None:
    loud = Waveform(tone(1000, 1.0, 16_000), 16_000)
    quiet = Waveform(loud.samples * np.float32(0.1), 16_000)
    first, second, change = plots.comparison(loud, quiet, titles=("loud", "quiet")).axes[:3]
    assert [axes.images[0].get_clim() for axes in (first, second)] == [(-80, 0)] * 2
    levels = [np.asarray(axes.images[0].get_array()) for axes in (first, second, change)]
    row = int(levels[0].mean(axis=1).argmax())
    assert levels[0][row].max() == pytest.approx(0, abs=1e-4)
    assert levels[2][row] == pytest.approx(-20, abs=0.01)
    assert change.get_title() == "quiet less loud"
    low, high = change.images[0].get_clim()
    assert low == -high


def test_comparison_of_other_rates_and_lengths() -> None:
    first, second, change = plots.comparison(
        Waveform(tone(1000, 1.0, 16_000), 16_000), Waveform(tone(1000, 0.5, 8_000), 8_000)
    ).axes[:3]
    levels = [np.asarray(axes.images[0].get_array()) for axes in (first, second)]
    assert levels[0].mean(axis=1).argmax() == levels[1].mean(axis=1).argmax()
    assert first.get_xlim() == (0, 1.0) and change.images[0].get_extent()[1] == pytest.approx(0.5, abs=0.016)


@pytest.mark.parametrize("sr", [8_000, 44_100])
def test_a_click_stands_at_its_time_in_recordings_of_any_length(sr: int) -> None:
    sounds = []
    for seconds in (1.0, 0.5, 0.3):
        samples = np.zeros(round(seconds * sr), np.float32)
        samples[round(0.224 * sr)] = 1
        sounds.append(Waveform(samples, sr))
    shown = [*plots.comparison(sounds[0], sounds[1]).axes[:2], plots.spectrogram(sounds[2]).axes[0]]
    for axes in shown:
        image = axes.images[0]
        levels, (first, end, _, _) = np.asarray(image.get_array()), image.get_extent()
        width = (end - first) / levels.shape[1]
        loudest = first + (levels.mean(axis=0).argmax() + 0.5) * width
        assert loudest == pytest.approx(0.224, abs=width / 2 + 1e-6)


def test_silence_is_dark() -> None:
    silent = Waveform(np.zeros(8_000, np.float32), 8_000)
    for axes in (*plots.comparison(silent, silent).axes[:2], plots.gallery({"x": [silent]}).axes[0]):
        assert np.asarray(axes.images[0].get_array()) == pytest.approx(-80, abs=1e-3)
    faint = plots.spectrogram(Waveform(tone(1000) * np.float32(1e-4), 8_000)).axes[0].images[0]
    assert np.asarray(faint.get_array()).max() == pytest.approx(0, abs=1e-4)
    module = FrontEnd(
        8_000, FrontEndSettings(fft_seconds=0.032, hop_seconds=0.01, n_mels=16, fmin=50, fmax=4_000.0, floor=1e-6)
    )
    for span in (None, 18.0):
        image = plots.features(np.full((16, 9), -23.0, np.float32), module, span=span).axes[0].images[0]
        assert np.asarray(image.norm(image.get_array())).max() == 0


@pytest.mark.parametrize(("sr", "n_mels"), [(44_100, 256), (192_000, 64)])
def test_no_band_is_empty_at_any_rate(sr: int, n_mels: int) -> None:
    sound = Waveform(np.random.default_rng(0).normal(size=sr // 4).astype(np.float32), sr)
    levels = np.asarray(plots.spectrogram(sound, n_mels=n_mels).axes[0].images[0].get_array())
    assert levels.max(axis=1).min() > -40


def test_gallery_has_a_row_a_class() -> None:
    sounds = [Waveform(tone(frequency, 0.5), 8_000) for frequency in (500, 1000, 2000)]
    figure = plots.gallery({"one $x": sounds[:1], "two": sounds[1:]})
    panels = [axes for axes in figure.axes if axes.images and axes.get_visible()]
    assert len(panels) == 3
    assert [axes.get_ylabel() for axes in panels] == ["one $x", "two", ""]
    assert all(np.asarray(axes.images[0].get_array()).max() == pytest.approx(0) for axes in panels)


def test_front_end_matrices_are_the_front_end_s() -> None:
    figure = made(False)["matrices"]
    shown = {axes.get_title(): np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.get_title()}
    assert list(shown) == ["mel filters", "chroma filters", "cosines of the cepstrum"]
    assert shown["mel filters"].shape == (32, 513) and (shown["mel filters"].max(axis=1) > 0).all()
    cosines = shown["cosines of the cepstrum"] / (10 / np.log(10))
    assert cosines @ cosines.T == pytest.approx(np.eye(20), abs=1e-5)
    plain = FrontEndSettings(
        fft_seconds=0.064, hop_seconds=0.016, n_mels=32, fmin=50, fmax=8000, floor=1e-6, features="stft"
    )
    with pytest.raises(SettingsError, match="multiplies with no matrix; choose mel, mfcc or chroma"):
        plots.front_end_matrices(FrontEnd(16_000, plain))


@pytest.mark.parametrize(
    ("features", "label", "unit"),
    [
        ("mel", "frequency (Hz)", "dB"), ("stft", "frequency (Hz)", "dB"), ("mfcc", "coefficient", "dB"),
        ("chroma", "pitch class", "share of the largest"), ("contrast", "octave band (Hz)", "dB"), ("mel,mfcc", "row", ""),
    ],
)  # fmt: skip
def test_features_name_their_rows(features: str, label: str, unit: str) -> None:
    settings = FrontEndSettings(
        fft_seconds=0.064, hop_seconds=0.016, n_mels=32, fmin=50, fmax=8000, floor=1e-6, features=features
    )
    front_end = FrontEnd(16_000, settings)
    values = np.arange(front_end.height * 10.0).reshape(-1, 10)
    figure = plots.features(values, front_end, span=5)
    axes, bar = figure.axes
    assert (axes.get_ylabel(), bar.get_ylabel()) == (label, unit)
    low, high = axes.images[0].get_clim()
    decibels = 10 / np.log(10) if features in ("mel", "stft") else 1
    assert (high, high - low) == pytest.approx((values.max() * decibels, 5 * decibels))
    shown = {
        "mel": ["200", "500", "1k", "2k", "5k"],
        "stft": ["100", "1k", "2k", "5k"],
        "mfcc": ["0", "2", "4", "6", "8", "10", "12", "14", "16", "18"],
        "chroma": ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"],
        "contrast": ["0-200", "200-400", "400-800", "800-1.6k", "1.6k-3.2k", "3.2k-6.4k", "6.4k-8k"],
    }
    if features in shown:
        assert list(ticks(axes)) == shown[features]
    if features == "stft":
        assert ticks(axes)["5k"] == pytest.approx(5000 * 1024 / 16_000 + 0.5)


def test_deviation_shows_what_it_was_given_on_fixed_limits() -> None:
    levels, change, frequencies = unusual()
    figure = plots.deviation(levels, change, frequencies, 2.5, title="fan $1")
    sound, deviations, bands = figure.axes[:3]
    assert np.asarray(sound.images[0].get_array()).tolist() == levels.tolist()
    assert sound.images[0].get_clim() == (levels.min(), levels.max())
    assert np.asarray(deviations.images[0].get_array()).tolist() == change.tolist()
    assert deviations.images[0].get_clim() == (-6, 6)
    assert deviations.images[0].get_extent() == sound.images[0].get_extent() == [0, 2.5, 0, 8]
    less, more = (patch.get_data().values for patch in bands.patches)
    assert less + more == pytest.approx(change.mean(axis=1))
    assert (less <= 0).all() and (more >= 0).all() and more[6] == pytest.approx(9) and less[1] == pytest.approx(-4)
    assert bands.lines[0].get_xdata() == [0, 0]
    assert bands.get_ylim() == deviations.get_ylim() == (0, 8)
    low, high = bands.get_xlim()
    assert low == -high and high > 9
    # Bands of 100 Hz to 3.2 kHz, in equal ratios: a tick lies between the bands that it lies between.
    assert list(ticks(deviations)) == list(ticks(sound)) == ["100", "200", "500", "1k", "2k"]
    assert ticks(deviations)["100"] == 0.5
    assert frequencies[int(ticks(deviations)["2k"] - 0.5)] <= 2000 <= frequencies[int(ticks(deviations)["2k"] + 0.5)]
    assert sound.get_title() == "fan $1" and deviations.get_xlabel() == "time (s)"
    assert [axes.get_ylabel() for axes in figure.axes[3:]] == ["dB", "deviations from normal"]


def test_deviation_of_a_normal_clip_is_calm_and_its_bands_can_be_given() -> None:
    levels, change, frequencies = unusual()
    given = np.linspace(-2, 3, 8)
    figure = plots.deviation(levels, change / 100, frequencies, 1200.0, bands=given)
    _, deviations, bands = figure.axes[:3]
    assert deviations.images[0].get_clim() == bands.get_xlim() == (-6, 6)
    assert sum(patch.get_data().values for patch in bands.patches) == pytest.approx(given)
    assert deviations.get_xlabel() == "time (h:mm)"
    assert [t.get_text() for t in deviations.get_xticklabels()] == ["0:00", "0:05", "0:10", "0:15", "0:20"]
    wide = plots.deviation(levels, change, frequencies, 1.0, span=3.0)
    assert wide.axes[1].images[0].get_clim() == (-3, 3)


def test_spectrogram_of_a_deviation_keeps_80_db() -> None:
    levels, change, frequencies = unusual()
    levels[0, 0] = -200
    image = plots.deviation(levels, change, frequencies, 1.0).axes[0].images[0]
    assert image.get_clim() == (levels.max() - 80, levels.max())


def test_unusual_scores_are_up_with_threshold_and_events() -> None:
    times, scores = np.arange(40) * 0.5, np.full(40, 0.5)
    scores[20] = 2e-4
    axes = plots.unusual_scores(times, scores, 1 / 2880, [(10, 11.5), (15, 30)], title="a $b").axes[0]
    line, threshold = axes.lines
    assert line.get_xdata().tolist() == times.tolist() and line.get_ydata().tolist() == scores.tolist()
    assert list(threshold.get_ydata()) == [1 / 2880] * 2 and threshold.get_linestyle() == "--"
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["event", "threshold: 1 in 2,880"]
    assert [(span.get_x(), span.get_width()) for span in axes.patches] == [(10, 1.5), (15, 15)]
    marks = dict(zip(axes.get_yticks(), [t.get_text() for t in axes.get_yticklabels()], strict=True))
    assert marks == pytest.approx({1.0: "1 in 1", 0.1: "1 in 10", 0.01: "1 in 100", 0.001: "1 in 1,000"})
    bottom, top = axes.get_ylim()
    assert bottom == 1 and top < 2e-4 and axes.get_yscale() == "log"
    assert axes.get_xlim() == (0, 30) and axes.get_xlabel() == "time (s)" and axes.get_title() == "a $b"


def test_unusual_scores_of_hours_keep_their_extremes() -> None:
    times = np.arange(0, 8 * 3600 + 1, 0.5)
    scores = np.random.default_rng(0).uniform(0.01, 1, len(times))
    scores[31_415] = 1e-30
    axes = plots.unusual_scores(times, scores, 1e-5).axes[0]
    found = axes.lines[0].get_ydata()
    assert len(found) <= 4000 and found.min() == 1e-12 and found.max() == scores.max()
    at = axes.lines[0].get_xdata()[int(found.argmin())]
    assert 0 <= times[31_415] - at <= 15
    assert [t.get_text() for t in axes.get_xticklabels()] == [f"{hour}:00" for hour in range(9)]
    assert axes.get_xlabel() == "time (h:mm)"
    assert [t.get_text() for t in axes.get_yticklabels()] == [
        "1 in 1", "1 in 100", "1 in 10,000", "1 in 1,000,000", "1 in 10⁸", "1 in 10¹⁰", "1 in 10¹²",
    ]  # fmt: skip
    assert plots.unusual_scores(times[:1], scores[:1], 3e-8).axes[0].get_legend().get_texts()[0].get_text() == (
        "threshold: 1 in 3·10⁷"
    )


def test_data_uri_of_a_name_in_any_script() -> None:
    assert plots.data_uri(plots.waveform(Waveform(tone(500, 0.1), 8_000), title="機械")).startswith("data:image/png")


def test_confusion_of_long_and_of_many_labels_can_be_read() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plots.confusion_matrix([[3, 1], [0, 4]], ["x" * 60, "y" * 60])
        plots.data_uri(figure)
        assert {len(text.get_text()) for text in figure.axes[0].get_xticklabels()} == {25}
        many = plots.confusion_matrix(np.eye(200).tolist(), [f"label {i}" for i in range(200)]).axes[0]
    assert len(many.get_xticks()) == 50 and not many.texts
