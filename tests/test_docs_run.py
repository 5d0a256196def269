"""Every code block of the README and of the documents runs, as a reader would run it.

Python blocks of a page run in order in one namespace. In console blocks every line that starts with ``$ earmark`` runs through
the command line; lines without ``$`` are what it prints. What cannot run here is marked ``sh``, ``js``, ``cpp`` or ``text``.
"""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import earmark
from conftest import TINY, Run, tone
from earmark.audio import synth
from earmark.figures import plots
from earmark.training import recipe

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(p for p in (ROOT / "docs").rglob("*.md") if "_build" not in p.parts)]
SR = 8_000
NAMES = {
    "dog": ("rex", "bella", "max", "luna", "rocky"),
    "rain": ("roof", "street", "garden", "tent", "car"),
    "siren": ("police", "fire", "medic", "plant", "port"),
    "bell": ("church", "bike", "ship", "door", "school"),
}  # fmt: skip
PITCH = {"dog": (200, 500), "siren": (1500, 3000), "bell": (700, 1100)}
FAULTS = [(8.0, 14.0, 1.0)]


def sound(label: str, rng: np.random.Generator, seconds: float = 0.6) -> np.ndarray:
    """A clip of this label: noise for rain, a tone of the label's range for the others."""
    level = rng.uniform(0.2, 1.0)  # of any label: neither level nor peak may tell which it is
    if label == "rain":
        return (rng.uniform(-0.5, 0.5, size=round(seconds * SR)) * level).astype(np.float32)
    return level * tone(rng.uniform(*PITCH[label]), seconds, SR, seed=int(rng.integers(1 << 30)))


def write_recordings(root: Path, labels: Iterable[str], *, seed: int, takes: int = 2) -> None:
    """Class folders of recordings, ``dog/rex_1.wav``."""
    rng = np.random.default_rng(seed)
    for label in labels:
        (root / label).mkdir(parents=True)
        for name in NAMES[label]:
            for take in range(1, takes + 1):
                soundfile.write(root / label / f"{name}_{take}.wav", sound(label, rng), SR)


def write_tagged(root: Path) -> None:
    """Multi-label clips: a tone, noise, both or neither, with a table."""
    rng = np.random.default_rng(3)
    (root / "audio").mkdir(parents=True)
    rows = ["file_name,label,group"]
    for i in range(32):
        labels = [label for bit, label in enumerate(("dog", "siren")) if i >> bit & 1]
        samples = rng.normal(size=round(0.6 * SR)).astype(np.float32) * 0.01
        for label in labels:
            samples += 0.4 * sound(label, rng)
        soundfile.write(root / "audio" / f"clip_{i:02d}.wav", samples, SR)
        rows.append(f"audio/clip_{i:02d}.wav,{';'.join(labels)},site{i // 4}")
    (root / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_field(root: Path) -> None:
    """Long recordings with a Raven table, Audacity labels or a Praat TextGrid beside each."""
    rng = np.random.default_rng(4)
    root.mkdir()
    for site in range(1, 10):
        calls, samples = [], rng.normal(size=12 * SR).astype(np.float32) * 0.01
        for i, start in enumerate((1.0, 4.0, 7.0)):
            label = ("dog", "siren")[(i + site) % 2]
            first = round(start * SR)
            samples[first : first + SR] += sound(label, rng, 1.0)
            calls.append((start, start + 1.0, label))
        place = root / f"site{site}.wav"
        soundfile.write(place, samples, SR)
        LABELS[site % 3](place, calls)


def _raven(place: Path, calls: list[tuple[float, float, str]]) -> None:
    lines = ["Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies"]
    lines += [f"{i}\tSpectrogram 1\t1\t{a:.3f}\t{b:.3f}\t100.0\t3500.0\t{c}" for i, (a, b, c) in enumerate(calls, 1)]
    place.with_suffix(".Table.1.selections.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _audacity(place: Path, calls: list[tuple[float, float, str]]) -> None:
    place.with_suffix(".txt").write_text("".join(f"{a:.6f}\t{b:.6f}\t{c}\n" for a, b, c in calls), encoding="utf-8")


def _praat(place: Path, calls: list[tuple[float, float, str]]) -> None:
    edges = [0.0, *(t for a, b, _ in calls for t in (a, b)), 12.0]
    texts = ["", *(t for _, _, c in calls for t in (c, ""))]
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        "xmax = 12",
        "tiers? <exists>",
        "size = 1",
    ]
    lines += ["item []:", "    item [1]:", '        class = "IntervalTier"', '        name = "calls"', "        xmin = 0",
              "        xmax = 12", f"        intervals: size = {len(texts)}"]  # fmt: skip
    for i, text in enumerate(texts):
        lines += [f"        intervals [{i + 1}]:", f"            xmin = {edges[i]}", f"            xmax = {edges[i + 1]}",
                  f'            text = "{text}"']  # fmt: skip
    place.with_suffix(".TextGrid").write_text("\n".join(lines) + "\n", encoding="utf-8")


LABELS = (_raven, _audacity, _praat)


def write_survey(root: Path) -> None:
    """Long recordings with one table of events for all of them."""
    rng = np.random.default_rng(5)
    (root / "audio").mkdir(parents=True)
    rows = ["recording,onset,offset,species"]
    for night in range(1, 7):
        samples = rng.normal(size=8 * SR).astype(np.float32) * 0.01
        for i, start in enumerate((1.0, 5.0)):
            label = ("dog", "siren")[i]
            samples[round(start * SR) : round(start * SR) + SR] += sound(label, rng, 1.0)
            rows.append(f"night{night}.wav,{start},{start + 1},{label}")
        soundfile.write(root / "audio" / f"night{night}.wav", samples, SR)
    (root / "events.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def write_samples(root: Path) -> None:
    """Every data set that a page names."""
    write_recordings(root / "recordings", ("dog", "rain", "siren"), seed=1)
    write_recordings(root / "new_recordings", ("dog", "rain", "siren"), seed=2, takes=1)
    write_recordings(root / "more_recordings", NAMES, seed=6)
    soundfile.write(root / "new_recording.wav", sound("dog", np.random.default_rng(7)), SR)
    write_tagged(root / "tagged")
    write_field(root / "field")
    write_survey(root / "survey")
    shutil.copy(root / "field" / "site1.wav", root / "night.wav")
    synth.write_machines(root / "demo" / "data", units=5, clips=1, seconds=0.6)
    fans = {"machines": ["fan"], "seconds": 2.0, "snr_db": 6.0}
    synth.write_mimii(root / "machines", **fans, units=(0, 2), normal=10, abnormal=4)
    synth.write_mimii(root / "new_clips", **fans, units=(0, 2), normal=5, abnormal=5, seed=1)
    synth.write_mimii(root / "few_normal_clips", **fans, units=(0,), normal=5, abnormal=0, seed=2)
    synth.write_watch(root / "shift.wav", "fan", unit=0, seconds=20.0, snr_db=6.0, faults=FAULTS)
    for place in ("machines", "new_clips", "few_normal_clips"):
        (root / place / "wear.csv").unlink()
    for clip in sorted((root / "machines").rglob("id_00/*/*.wav")):
        place = root / "workshop" / "pump_a" / clip.parent.name / clip.name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, place)


QUICK = [setting for setting in TINY if not setting.startswith("epochs=")] + ["epochs=2"]
"""What the recipes become: enough to run every step."""
KEYS = {setting.partition("=")[0] for setting in QUICK}
NEEDS: dict[str, dict[str, Any]] = {
    "model": {"data": "recordings", "group_pattern": "[a-z]+_"},
    "detector": {"data": "machines", "task": "anomaly", "per": "machine,id"},
}
"""Models that a page may use without training them."""
BLOCK = re.compile(r"^ *```([^\n`]*)\n(.*?)^ *``` *$", re.MULTILINE | re.DOTALL)
RUN, NOT_RUN = {"python", "console"}, {"sh", "js", "cpp", "text", "json", "", "toml"}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each code block, in order; directives of MyST, as ``{toctree}``, are none."""
    found = BLOCK.findall(page.read_text(encoding="utf-8"))
    return [(language.strip(), text) for language, text in found if not language.startswith("{")]


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block, with the lines that the page shows of its output."""
    command, shown = "", []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        elif line.strip():
            shown.append(line)
    if command:
        yield command, shown


@pytest.fixture(scope="module")
def tiny() -> Iterator[None]:
    """Recipes that take a second; detectors learn as always. Other settings are kept."""

    def small(name: str = "auto", changes: Iterable[str] = ()) -> recipe.Recipe:
        if name == recipe.DETECTOR:
            return load(name, changes)
        return load(name, [*(c for c in changes if c.partition("=")[0] not in KEYS), *QUICK])

    load = recipe.load
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "load", small)
        # Reports are drawn in other tests; here they would take a third of the time.
        patch.setattr(plots, "data_uri", lambda _: "data:,")
        yield


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory, tiny: None, one_thread: None) -> Path:
    """A folder with every data set that a page names; `needed` adds the models."""
    root = tmp_path_factory.mktemp("samples")
    write_samples(root)
    return root


def made_by(code: str, name: str) -> bool:
    """Whether a page's code trains a model of this name."""
    return bool(re.search(rf"--out {name}\s|earmark\.train\([^,]+, \"{name}\"", code))


def needed(code: str, samples: Path) -> None:
    """Train the models that a page uses and does not make, once."""
    for name, options in NEEDS.items():
        used = re.search(rf"[ \"]{name}[ \"/]", code) and not made_by(code, name)
        if used and not (samples / name).exists():
            earmark.train(
                samples / options["data"], samples / name, **{k: v for k, v in options.items() if k != "data"}
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_page_runs(
    page: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[..., Run]
) -> None:
    found = blocks(page)
    assert {language for language, _ in found} <= RUN | NOT_RUN
    if not any(language in RUN for language, _ in found):
        return
    code = "".join(block for language, block in found if language in RUN)
    needed(code, samples)
    made = {name for name in NEEDS if made_by(code, name)}
    shutil.copytree(samples, tmp_path, dirs_exist_ok=True, ignore=lambda _, names: made & set(names))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for language, block in found:
        if language == "python":
            exec(compile(block, str(page), "exec"), names)
        elif language == "console":
            for command, shown in steps(block):
                check(command, shown, run)


def test_the_python_client_agrees_for_multi_label_models_and_repeated_clips(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = earmark.train(samples / "tagged", "model", short_clip="repeat").model
    client = next(code for _, code in blocks(ROOT / "docs" / "guides" / "deploy.md") if "onnxruntime" in code)
    names: dict[str, Any] = {}
    exec(compile(client, "deploy.md", "exec"), names)
    samples_ = soundfile.read(samples / "tagged" / "audio" / "clip_03.wav", dtype="float32")[0]
    for part in (samples_, samples_[:1000], np.tile(samples_, 5)[:-100]):
        said = {score.label: score.score for score in model.predict(part, sr=SR).scores}
        assert names["classify"](part) == pytest.approx(said, abs=1e-4)


def check(command: str, shown: list[str], run: Callable[..., Run]) -> None:
    """Run a command; each line that the page shows begins as a line that it prints, and failure is shown where it fails."""
    words = shlex.split(command)
    assert words[0] == "earmark", command
    done = run(*words[1:])
    printed = {first(line) for line in (done.out + "\n" + done.err).splitlines()}
    missing = [line for line in shown if first(line) not in printed and line.strip() != "..."]
    assert not missing, f"{command}: does not print {missing}; it prints {done.out}{done.err}"
    fails = any(line.startswith(("earmark:", "wrong ")) for line in shown)
    assert bool(done.code) == fails, f"{command}: exit code {done.code}: {done.err}"


def first(line: str) -> str:
    """What a line begins with: of errors two words, of others one; numbers are any number."""
    words = line.split()
    if not words:
        return ""
    if words[0] == "earmark:":
        return " ".join(words[:2])
    return re.sub(r"[\d.]+", "0", words[0])
