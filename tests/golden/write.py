"""Write the golden bundles: small ones of every task, and what they predict, by the Earmark that is installed.

They prove that bundles of an older Earmark load and predict the same. Run it only to add a bundle of a newer schema:

    python tests/golden/write.py tests/golden/schema1
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile

import earmark

SR = 4_000
TINY = (
    "epochs=4",
    "epochs_a_label=0",
    "min_steps=0",
    "width=0.125",
    "members=1",
    "ema=0",
    "n_mels=8",
    "fft_seconds=0.016",
)
DETECTOR = ("n_mels=8", "fft_seconds=0.032", "hop_seconds=0.016")


def sound(kind: str, seed: int, seconds: float = 0.6) -> np.ndarray:
    """A made sound, shape (time,): tones and noise in any combination."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * SR)) / SR
    found = rng.normal(size=len(time)) * (0.2 if "noise" in kind else 0.01)
    for name, low, high in (("low", 200, 500), ("high", 900, 1500)):
        if name in kind:
            found = found + 0.4 * np.sin(2 * np.pi * rng.uniform(low, high) * time)
    return found.astype(np.float32)


def recordings(folder: Path) -> list[Path]:
    """Recordings to predict: short, long, loud, silent."""
    folder.mkdir(parents=True)
    sounds = {
        "low": sound("low", 100), "high": sound("high", 101, 0.3), "both": sound("low high", 102, 2.0),
        "noise": sound("noise", 103, 1.3), "silence": np.zeros(SR, np.float32), "loud": np.sign(sound("low", 104)),
    }  # fmt: skip
    for name, samples in sounds.items():
        soundfile.write(folder / f"{name}.wav", samples, SR)
    return sorted(folder.glob("*.wav"))


def predictions(bundle: Path, folder: Path) -> list[dict[str, object]]:
    """What a bundle predicts of the recordings, as the command line prints it, without the folder."""
    model = earmark.load(bundle)
    found = model.predict([str(p) for p in sorted(folder.glob("*.wav"))], windows=True)
    return [{**prediction.to_dict(), "path": Path(str(prediction.path)).name} for prediction in found]


def datasets(work: Path) -> None:
    """Data of each task: class folders, a table of several labels a clip, and one of machines."""
    for kind in ("low", "high", "noise"):
        for i in range(8):
            path = work / "classes" / kind / f"g{i // 2}_{i}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, sound(kind, i), SR)
    lines = ["path,labels"]
    for i in range(24):
        kinds = [k for n, k in enumerate(("low", "high", "noise")) if (i + 1) >> n & 1]
        path = work / "several" / f"{i}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, sound(" ".join(kinds), 500 + i), SR)
        lines.append(f"{path.name},{';'.join(kinds)}")
    (work / "several" / "labels.csv").write_text("\n".join(lines) + "\n")
    lines = ["path,label,machine"]
    for machine in ("one", "two"):
        for i in range(12):
            path = work / "machines" / f"{machine}{i}.wav"
            path.parent.mkdir(exist_ok=True)
            kind = {"one": "low noise", "two": "high noise"}[machine] if i else "low high noise"
            soundfile.write(path, sound(kind, 900 + i, 1.0), SR)
            lines.append(f"{path.name},{'normal' if i else 'faulty'},{machine}")
    (work / "machines" / "labels.csv").write_text("\n".join(lines) + "\n")


def main(target: Path) -> None:
    """Train one bundle of each task, and keep what prediction needs of it."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        datasets(work)
        source = {"group_pattern": r"(g\d)_"}
        earmark.train(work / "classes", work / "classification", **source, settings=TINY)
        earmark.train(work / "several" / "labels.csv", work / "multilabel", settings=TINY, seed=1)
        earmark.train(
            work / "machines" / "labels.csv", work / "anomaly",
            settings=DETECTOR, task="anomaly", per=("machine",),
        )  # fmt: skip
        recordings(work / "recordings")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        found = {}
        for task in ("classification", "multilabel", "anomaly"):
            kept = target / task
            kept.mkdir()
            for file in sorted((work / task).iterdir()):
                if file.name == "earmark.json" or file.suffix in (".onnx", ".safetensors"):
                    shutil.copy(file, kept / file.name)
            found[task] = predictions(kept, work / "recordings")
        (target / "predictions.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
