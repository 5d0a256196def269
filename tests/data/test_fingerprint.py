from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from earmark import audio
from earmark.data import fingerprint
from earmark.data.fingerprint import SR, Fingerprint, Landmarks


def prints(samples: NDArray[np.float32], sr: int = SR, *, block: int = 1 << 20) -> Landmarks:
    made = Fingerprint(sr)
    for i in range(0, len(samples), block):
        made.push(samples[i : i + block])
    return made.finish()


def clatter(seed: int, seconds: float = 4.0, sr: int = 16_000) -> NDArray[np.float32]:
    """Noise through a filter that drifts: nothing in it repeats, shape (time,)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=round(seconds * sr))
    envelope = np.interp(np.arange(len(noise)), np.linspace(0, len(noise), 40), rng.uniform(0.05, 1, 40))
    tone = np.sin(2 * np.pi * np.cumsum(rng.uniform(300, 2500, 40).repeat(-(-len(noise) // 40))[: len(noise)]) / sr)
    return (0.1 * envelope * (noise + 2 * tone)).astype(np.float32)


def as_mp3(samples: NDArray[np.float32], sr: int) -> NDArray[np.float32]:
    file = io.BytesIO()
    soundfile.write(
        file, samples, sr, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="CONSTANT", compression_level=0.2
    )
    file.seek(0)
    return np.asarray(soundfile.read(file, dtype="float32")[0])


COPIES = {
    "shifted": lambda x: (x[3_200:], 16_000),
    "at half level": lambda x: (0.5 * x, 16_000),
    "upside down": lambda x: (-x, 16_000),
    "as MP3": lambda x: (as_mp3(x, 16_000), 16_000),
    "at 8 kHz": lambda x: (audio.resample(x, 16_000, 8_000), 8_000),
    "a part of it": lambda x: (x[16_000:48_000], 16_000),
}


@pytest.mark.parametrize("how", COPIES)
def test_copies_are_found_and_others_are_not(how: str) -> None:
    sounds = [clatter(seed) for seed in range(6)]
    changed, sr = COPIES[how](sounds[2])
    low = [audio.resample(x, 16_000, SR) for x in sounds] + [audio.resample(changed, sr, SR)]
    found = fingerprint.copies([prints(x) for x in low], lambda i, a, b: low[i][round(a * SR) : round(b * SR)])
    assert found == [(2, 6)]


@pytest.mark.parametrize("alike", [0.0, 0.5])
def test_copies_are_found_behind_silence_and_behind_other_sounds(alike: float) -> None:
    """What comes first in both is as long as what is compared: nothing in one, or clatter of each one's own."""
    same = clatter(0, 12.0, SR)
    firsts = [alike * clatter(i, 31.0, SR) for i in (5, 6)]
    sounds = [np.concatenate([first, same]) for first in firsts]
    read = [prints(x) for x in sounds]
    assert fingerprint.copies(read, lambda i, a, b: sounds[i][round(a * SR) : round(b * SR)]) == [(0, 1)]
    others = [np.concatenate([firsts[0], same]), np.concatenate([firsts[1], clatter(7, 12.0, SR)])]
    read = [prints(x) for x in others]
    assert fingerprint.copies(read, lambda i, a, b: others[i][round(a * SR) : round(b * SR)]) == []


def test_shift_is_told_in_seconds() -> None:
    sound = clatter(0)
    later = np.concatenate([clatter(1, 1.0), sound])
    (match,) = fingerprint.candidates([prints(sound, 16_000), prints(later, 16_000)])
    assert (match.first, match.second) == (0, 1)
    assert match.shift == pytest.approx(1.0, abs=0.017)


def test_landmarks_do_not_depend_on_the_blocks() -> None:
    sound = clatter(3, 35.0)
    whole = prints(sound, 16_000)
    assert len(whole) > 1_000
    assert np.array_equal(whole, prints(sound, 16_000, block=7_777))


def test_level_changes_nothing() -> None:
    sound = clatter(4)
    assert np.array_equal(prints(sound, 16_000), prints(sound * np.float32(0.25), 16_000))


@pytest.mark.parametrize(
    "samples", [np.zeros(16_000, np.float32), np.zeros(0, np.float32), np.ones(5, np.float32) * 0.5]
)
def test_silence_and_specks_have_few_landmarks(samples: NDArray[np.float32]) -> None:
    found = prints(samples)
    assert len(found) < 6
    assert fingerprint.candidates([found, found]) == []


def test_likeness_is_one_for_itself_and_small_for_others() -> None:
    a, b = (audio.resample(clatter(seed), 16_000, SR) for seed in (0, 1))
    assert fingerprint.likeness(a, a) == pytest.approx(1.0, abs=1e-3)
    assert fingerprint.likeness(a, b) < 0.1
    assert fingerprint.likeness(a, np.zeros(100, np.float32)) == 0.0


def test_an_excerpt_of_a_long_recording_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "_MOST", 800)
    monkeypatch.setattr(fingerprint, "_HITS", 1_000)
    sounds = [clatter(0, 60.0), clatter(1, 4.0), clatter(0, 60.0)[20 * 16_000 : 30 * 16_000], clatter(2, 4.0)]
    (match,) = fingerprint.candidates([prints(x, 16_000) for x in sounds])
    assert (match.first, match.second) == (0, 2)
    assert match.shift == pytest.approx(-20.0, abs=0.017)
