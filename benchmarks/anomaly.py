"""Anomaly detectors on one data set, from normal clips alone, over repeated grouped splits: what was kept, and what was not.

    python benchmarks/anomaly.py --data ../shared/data/propeller_mimii --repeats 5
    python benchmarks/anomaly.py --data ../shared/data/propeller_mimii --methods network --repeats 1

Of each repeat, five parts of the normal groups are left out in turn; a method learns from the rest and judges what was left out
and all abnormal clips. AUC and pAUC (p = 0.1) are means over the parts, over all machines together and as harmonic means over
machines. Nothing is chosen on abnormal clips: every method has the settings of its source, or the recipe's. False alarms and
recall are those at a threshold for 5 % that each method sets by its own left-out normal clips.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import scipy.signal
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from sklearn.neighbors import NearestNeighbors
from torch import nn

from earmark.bundle import BundleSpec
from earmark.data import layouts
from earmark.data.clips import Clips, ingest
from earmark.evaluation.detection import over_machines
from earmark.inference.detector import Tail
from earmark.networks.classifier import Classifier, Embedder
from earmark.training import detectors, fitting, recipe
from earmark.training.batches import Features
from earmark.workflow.describing import make_spec

RATE = 0.05
Floats = NDArray[np.float64]


@dataclass
class Data:
    """Clips with what the methods look at."""

    clips: Clips
    spec: BundleSpec
    abnormal: NDArray[np.bool_]
    machine: NDArray[np.int64]
    group: NDArray[np.int64]
    bands: list[NDArray[np.float32]]  # (frame, band) of each clip, in nepers

    @classmethod
    def read(cls, folder: Path) -> Data:
        manifest = layouts.find(folder)
        spec = make_spec(manifest, recipe.load(recipe.DETECTOR))
        clips = ingest(manifest, sr=spec.sample_rate).with_copies_grouped()
        embedder = Embedder(spec).eval()
        with torch.inference_mode():
            bands = [
                embedder(torch.from_numpy(np.array(clips.waveform(i)))[None])[1][0].numpy().T
                for i in range(len(manifest))
            ]
        table = clips.manifest
        per = [c for c in ("machine", "id") if c in table.table.columns]
        number, group = (
            np.unique(x, return_inverse=True)[1] for x in (table.machines(per), table.column("group").astype(str))
        )
        return cls(clips, spec, table.column("label") != "normal", number, group, bands)


Method = Callable[[Data, NDArray[np.int64], NDArray[np.int64]], Floats]
"""Data, clips to learn from, clips to judge: scores, higher is more unusual."""


def mean_and_deviation(data: Data, rows: NDArray[np.int64]) -> Floats:
    """Mean and deviation of every band, shape (clip, 2 * band)."""
    return np.stack([np.concatenate([data.bands[i].mean(0), data.bands[i].std(0)]) for i in rows]).astype(float)


def standard(known: Floats, judged: Floats) -> tuple[Floats, Floats]:
    mean, std = known.mean(0), known.std(0) + 1e-9
    return (known - mean) / std, (judged - mean) / std


def neighbours(known: Floats, judged: Floats) -> Floats:
    known, judged = standard(known, judged)
    return np.asarray(NearestNeighbors(n_neighbors=3).fit(known).kneighbors(judged)[0].mean(1))


def mahalanobis(known: Floats, judged: Floats) -> Floats:
    known, judged = standard(known, judged)
    return np.asarray(LedoitWolf().fit(known).mahalanobis(judged))


def mixture(known: Floats, judged: Floats) -> Floats:
    known, judged = standard(known, judged)
    found = GaussianMixture(4, covariance_type="diag", reg_covar=1e-2, random_state=0).fit(known)
    return np.asarray(-found.score_samples(judged))


def simple(measure: Callable[[Floats, Floats], Floats]) -> Method:
    """Statistics of the bands, all machines together."""
    return lambda data, known, judged: measure(mean_and_deviation(data, known), mean_and_deviation(data, judged))


def earmark_bands(data: Data, known: NDArray[np.int64], judged: NDArray[np.int64]) -> Floats:
    """What `earmark train --task anomaly` makes, less its files; the score is -log10 of the tail probability."""
    level = np.stack([b.mean(0) for b in data.bands])
    spread = np.stack([b.std(0) for b in data.bands])
    zero = np.zeros(len(known), np.int64)
    normal = detectors.Normal(level[known], spread[known], data.machine[known], zero, data.group[known])
    detector = detectors.fit(normal)
    tails = [detector.judge(level[i : i + 1], int(data.machine[i]))[0][0] for i in judged]
    return -np.log10(np.array(tails))


def autoencoder(data: Data, known: NDArray[np.int64], judged: NDArray[np.int64]) -> Floats:
    """MIMII's published baseline (Purohit et al. 2019): five frames of 64 log-mel bands through 64-64-8-64-64, one a machine."""
    scores = np.zeros(len(judged))
    for number in np.unique(data.machine):
        own = known[data.machine[known] == number]
        chosen = np.flatnonzero(data.machine[judged] == number)
        if len(own) and len(chosen):
            scores[chosen] = _autoencoder([data.bands[i] for i in own], [data.bands[i] for i in judged[chosen]])
    return scores


def _autoencoder(known: list[NDArray[np.float32]], judged: list[NDArray[np.float32]]) -> Floats:
    def stacked(bands: NDArray[np.float32]) -> torch.Tensor:
        decibels = torch.from_numpy(bands * np.float32(10 / np.log(10)))
        return decibels.unfold(0, 5, 1).transpose(1, 2).flatten(1)

    torch.manual_seed(0)
    frames = torch.cat([stacked(b) for b in known])
    size = frames.shape[1]
    sizes = [size, 64, 64, 8, 64, 64, size]
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    network = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(50):
        for rows in torch.randperm(len(frames)).split(512):
            loss = (network(frames[rows]) - frames[rows]).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.inference_mode():
        return np.array([float((network(x) - x).square().mean()) for x in map(stacked, judged)])


def modified(samples: NDArray[np.float32], kind: int, rng: np.random.Generator, sr: int) -> NDArray[np.float32]:
    """A sound as it is, faster, slower, with a band raised, with a beat."""
    if kind in (1, 2):
        factor = 1 + rng.uniform(0.03, 0.08) * (1 if kind == 1 else -1)
        place = np.arange(len(samples)) * factor % (len(samples) - 1)
        return np.interp(place, np.arange(len(samples)), samples).astype(np.float32)
    if kind == 3:
        centre = float(np.exp(rng.uniform(np.log(200), np.log(0.35 * sr))))
        band = scipy.signal.sosfilt(
            scipy.signal.butter(2, [centre / 1.3, centre * 1.3], "bandpass", fs=sr, output="sos"), samples
        )
        return (samples + rng.uniform(0.7, 1.5) * band).astype(np.float32)
    if kind == 4:
        beat = np.sin(2 * np.pi * rng.uniform(2, 30) * np.arange(len(samples)) / sr)
        return (samples * (1 + rng.uniform(0.3, 0.8) * beat)).astype(np.float32)
    return samples


def network(measure: Callable[[Floats, Floats], Floats] | None = None) -> Method:
    """A ResNet that learns to tell machines and modifications apart, then distances of its embeddings."""

    def score(data: Data, known: NDArray[np.int64], judged: NDArray[np.int64]) -> Floats:
        embeddings = _embeddings(data, tuple(known.tolist()), np.concatenate([known, judged]))
        inner, outer = embeddings[: len(known)], embeddings[len(known) :]
        return (measure or neighbours)(inner, outer)

    return score


_TRAINED: dict[tuple[int, ...], Classifier] = {}
_KINDS = 5


def _embeddings(data: Data, known: tuple[int, ...], rows: NDArray[np.int64]) -> Floats:
    if known not in _TRAINED:
        _TRAINED[known] = _trained(data, known)
    classifier = _TRAINED[known]
    with torch.inference_mode():
        found = [classifier(torch.from_numpy(np.array(data.clips.waveform(i)))[None])[1][0].numpy() for i in rows]
    return np.stack(found).astype(float)


def _trained(data: Data, known: tuple[int, ...]) -> Classifier:
    import tempfile

    rng = np.random.default_rng(0)
    settings = recipe.load("machine", ["min_steps=600", "epochs=1", "members=1", "ema=0"])
    manifest = data.clips.manifest
    spec = make_spec(manifest, settings)
    machines = int(data.machine.max()) + 1
    sounds = [
        modified(np.array(data.clips.waveform(i)), kind, rng, spec.sample_rate) for i in known for kind in range(_KINDS)
    ]
    targets = np.array([data.machine[i] * _KINDS + kind for i in known for kind in range(_KINDS)], np.int64)
    many = SimpleNamespace(manifest=sounds, waveform=lambda i: sounds[i])
    labels = tuple(f"{m}-{k}" for m in range(machines) for k in range(_KINDS))
    torch.manual_seed(0)
    classifier = Classifier(
        BundleSpec(**{**vars(spec), "labels": labels, "task": "classification"}), dropout=settings.dropout
    )
    frames = classifier.front_end.frames(spec.plan.window)
    with tempfile.TemporaryDirectory() as folder:
        features = Features(classifier.front_end, many, spec.plan, Path(folder))  # type: ignore[arg-type]
        classifier.front_end.set_statistics(*features.statistics(classifier.front_end, frames))
        fitting.fit(classifier, (features, targets), None, settings, window_frames=frames, folder=Path(folder), seed=0)
        features.close()
    return classifier.eval()


METHODS: dict[str, dict[str, Method]] = {
    "bands": {"earmark: neighbours, half whitened": earmark_bands},
    "simple": {
        "mean and deviation of bands, 3 neighbours": simple(neighbours),
        "mean and deviation of bands, Mahalanobis": simple(mahalanobis),
        "mean and deviation of bands, Gaussian mixture": simple(mixture),
    },
    "autoencoder": {"autoencoder of MIMII": autoencoder},
    "network": {
        "network (machines x modifications), 3 neighbours": network(neighbours),
        "network (machines x modifications), Mahalanobis": network(mahalanobis),
        "network (machines x modifications), Gaussian mixture": network(mixture),
    },
}


def splits(data: Data, repeats: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Clips to learn from, and normal clips that are left out."""
    normal = np.flatnonzero(~data.abnormal)
    for seed in range(repeats):
        parts = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        for known, left_out in parts.split(normal, data.machine[normal], data.group[normal]):
            yield normal[known], normal[left_out]


def threshold(method: Method, data: Data, known: NDArray[np.int64]) -> float:
    """For 5 % false alarms, by normal clips that are left out of the training part in turn; ours has its own."""
    if method is earmark_bands:
        return -float(np.log10(RATE))
    parts = GroupKFold(min(5, len(np.unique(data.group[known])))).split(known, groups=data.group[known])
    scores = np.concatenate([method(data, known[a], known[b]) for a, b in parts])
    return Tail.of(np.sort(scores)).quantile(RATE)


def measure(method: Method, data: Data, repeats: int, *, alarms: bool) -> dict[str, Any]:
    found: dict[str, list[float]] = {
        name: [] for name in ("auc", "pauc", "harmonic auc", "harmonic pauc", "alarms", "recall", "seconds")
    }
    abnormal = np.flatnonzero(data.abnormal)
    for known, left_out in splits(data, repeats):
        judged = np.concatenate([left_out, abnormal])
        begin = time.perf_counter()
        truth, scores = data.abnormal[judged], method(data, known, judged)
        found["seconds"].append(time.perf_counter() - begin)  # without what a threshold takes
        found["auc"].append(roc_auc_score(truth, scores))
        found["pauc"].append(roc_auc_score(truth, scores, max_fpr=0.1))
        rows = []
        for number in np.unique(data.machine[left_out]):
            own = data.machine[judged] == number
            if truth[own].any() and not truth[own].all():
                rows.append(
                    {n: roc_auc_score(truth[own], scores[own], max_fpr=p) for n, p in (("auc", None), ("pauc", 0.1))}
                )
        harmonic = over_machines([{**r, "accuracy": None, "precision": None, "recall": None, "f1": None} for r in rows])
        for name in ("auc", "pauc"):
            found[f"harmonic {name}"].append(harmonic["harmonic_mean"][name])
        if alarms:
            flagged = scores >= threshold(method, data, known)
            found["alarms"].append(float(flagged[~truth].mean()))
            found["recall"].append(float(flagged[truth].mean()))
    return {name: (float(np.mean(v)), float(np.std(v))) for name, v in found.items() if v}


def stated_and_seen(data: Data, repeats: int) -> None:
    """How often normal clips raise an alarm at ever rarer stated rates, by Earmark's detector."""
    normal, worn = [], []
    abnormal = np.flatnonzero(data.abnormal)
    for known, left_out in splits(data, repeats):
        normal.append(earmark_bands(data, known, left_out))
        worn.append(earmark_bands(data, known, abnormal))
    print("| stated | seen | recall |\n|---|---|---|")
    for rate in (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 1 / 5769):
        seen, found = (float((np.concatenate(x) >= -np.log10(rate)).mean()) for x in (normal, worn))
        print(f"| {100 * rate:.2g} % | {100 * seen:.2g} % | {100 * found:.1f} % |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=["bands", "simple", "autoencoder"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--rates", action="store_true", help="false alarms at several stated rates instead of the comparison"
    )
    chosen = parser.parse_args()
    data = Data.read(chosen.data)
    if chosen.rates:
        stated_and_seen(data, chosen.repeats)
        return
    print(f"{(~data.abnormal).sum()} normal, {data.abnormal.sum()} abnormal clips, {data.machine.max() + 1} machines")
    print(
        "| method | AUC | pAUC | harmonic AUC, pAUC | false alarms at 5 % | recall | seconds a split |\n"
        + "|---" * 7
        + "|"
    )
    for family in chosen.methods:
        for name, method in METHODS[family].items():
            found = measure(method, data, chosen.repeats, alarms=family in ("bands", "simple", "autoencoder"))
            cells = [f"{found[n][0]:.3f} ± {found[n][1]:.3f}" for n in ("auc", "pauc")]
            cells.append(f"{found['harmonic auc'][0]:.3f}, {found['harmonic pauc'][0]:.3f}")
            cells += [f"{100 * found[n][0]:.1f} %" if n in found else "-" for n in ("alarms", "recall")]
            print(f"| {name} | {' | '.join(cells)} | {found['seconds'][0]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
