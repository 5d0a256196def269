"""The way of the notebooks, for comparison: mel spectrograms as PNG, 224 x 224, and a Keras CNN (19 M parameters), 12 epochs.

Runs in an environment of its own, which `esc10.py` makes; needs tensorflow-cpu, librosa, matplotlib, pillow.

    python notebook_way.py ESC50_FOLDER TEST_FOLD LABEL,LABEL,...
"""

from __future__ import annotations

import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import librosa
import librosa.display
import matplotlib
import numpy as np
from keras import layers
from PIL import Image

matplotlib.use("Agg")
from matplotlib import pyplot as plt


def picture(sound: Path, image: Path) -> np.ndarray:
    """As the tutorials do it: draw with specshow, save, load, resize, divide by 255."""
    samples, sr = librosa.load(sound)
    figure, axes = plt.subplots()
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1)
    power = librosa.feature.melspectrogram(y=samples, sr=sr)
    librosa.display.specshow(librosa.power_to_db(power, ref=np.max), fmax=8000, ax=axes)
    figure.savefig(image)
    plt.close(figure)
    return np.asarray(Image.open(image).convert("RGB").resize((224, 224)), np.float32) / 255


def main() -> None:
    root, test_fold, labels = Path(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
    begin = time.monotonic()
    with (root / "meta" / "esc50.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["category"] in labels]
    with tempfile.TemporaryDirectory() as folder:
        x = np.stack([picture(root / "audio" / r["filename"], Path(folder) / "a.png") for r in rows])
    y = np.array([labels.index(r["category"]) for r in rows])
    test = np.array([r["fold"] == test_fold for r in rows])
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((224, 224, 3))])
    for channels in (32, 128, 128, 128):
        model.add(layers.Conv2D(channels, 3, activation="relu"))
        model.add(layers.MaxPooling2D())
    model.add(layers.Flatten())
    model.add(layers.Dense(1024, activation="relu"))
    model.add(layers.Dense(len(labels), activation="softmax"))
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[~test], y[~test], batch_size=10, epochs=12, verbose=0)
    accuracy = float((model.predict(x[test], verbose=0).argmax(1) == y[test]).mean())
    print(json.dumps({"accuracy": accuracy, "seconds": time.monotonic() - begin, "parameters": model.count_params()}))


if __name__ == "__main__":
    main()
