"""Machine condition: fault classifiers and anomaly detectors, each figure by the commands that a user types.

    python benchmarks/machines.py propellers half noisy synthetic normal-only wear adaptation watch sample --data ../shared/data

Prints Markdown for RESULTS.md; bundles and tables stay in --out.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

import earmark
from earmark import audio
from earmark.audio import synth
from earmark.data import layouts, splits
from earmark.data.clips import ingest
from earmark.data.manifest import Manifest
from earmark.evaluation import detection

PER = ("machine", "id")
USED = (
    "engine",
    "vacuum_cleaner",
    "washing_machine",
    "train",
    "wind",
    "rain",
    "hand_saw",
)  # in the propellers' mix already


def propellers(data: Path, out: Path) -> None:
    """Supervised, unseen flights, four folds."""
    found = earmark.crossval(data / "propeller_mimii", out, folds=4, per=PER, overwrite=True).to_dict()
    print(detection.markdown(found["machines"]))


def half(data: Path, out: Path) -> None:
    """The same with every second training flight left out."""
    _folds_of(_grouped(data / "propeller_mimii"), out, share=0.5)


def noisy(data: Path, out: Path) -> None:
    """The same with noise added until the propellers are 12 dB below it."""
    _folds_of(_grouped(_noisier(data, out / "mixed", -12.0)), out)


def synthetic(_: Path, out: Path) -> None:
    """Sixteen synthetic machines at -6 dB, supervised, three folds of unseen clips."""
    folder = synth.write_mimii(_emptied(out / "data"), wear=(0.3, 1.0), seed=1)
    found = earmark.crossval(folder, out / "cv", folds=3, per=PER, overwrite=True).to_dict()
    print(detection.markdown(found["machines"]))
    _by_wear(folder, pd.read_csv(out / "cv" / "predictions.csv"), "correct")


def normal_only(data: Path, out: Path) -> None:
    """Propellers from normal sound alone: five repeats of five folds of unseen flights, at 5 % false alarms."""
    rows = []
    for seed in range(5):
        options = {"task": "anomaly", "per": PER, "settings": ["false_alarms=5%"], "seed": seed, "overwrite": True}
        found = earmark.crossval(data / "propeller_mimii", out / str(seed), folds=5, **options).to_dict()
        rows.append([found["auc"], found["pauc"], found["recall"], found["false_alarm_rate"]["seen"]])
        rows[-1] += [found["over_machines"]["harmonic_mean"][name] for name in ("auc", "pauc")]
    names = ("AUC", "pAUC", "recall at 5 %", "false alarms seen", "harmonic AUC", "harmonic pAUC")
    for name, values in zip(names, np.array(rows).T, strict=True):
        print(
            f"| {name} | {values.mean():.3f} ± {values.std():.3f} (lowest {values.min():.3f}, highest {values.max():.3f}) |"
        )


def wear(_: Path, out: Path) -> None:
    """Sixteen synthetic machines from normal sound alone: AUC over wear."""
    folder = synth.write_mimii(_emptied(out / "data"), normal=60, abnormal=20, wear=(0.05, 1.0), seed=2)
    options = {"task": "anomaly", "per": PER, "settings": ["false_alarms=5%"], "overwrite": True}
    found = earmark.crossval(folder, out / "cv", folds=4, **options).to_dict()
    print(detection.markdown(found["machines"]))
    print(f"false alarms {found['false_alarm_rate']}")
    _by_wear(folder, pd.read_csv(out / "cv" / "predictions.csv"), "tail")


def adaptation(data: Path, out: Path) -> None:
    """Propellers: half of the flights train; the rest are beside the sea (-12 dB in all), before and after five normal clips."""
    noisier = _noisier(data, out / "mixed", -12.0, only="sea_waves")
    clean = _grouped(data / "propeller_mimii")
    loud = replace(clean, root=noisier, table=clean.table.assign(path=clean.table["path"].str.replace(".flac", ".wav")))
    rows = []
    for repeat in range(5):
        rng = np.random.default_rng(repeat)
        normal = clean.table[clean.table["label"] == "normal"]
        train: list[str] = []
        few: list[int] = []
        for _, own in normal.groupby("id"):
            flights = rng.permutation(np.array(sorted(own["group"].unique())))
            half = len(flights) // 2
            train += flights[:half].tolist()
            few += own.index[own["group"].isin(flights[half : half + 2])].tolist()[:5]
        known = set(train) | set(clean.table.loc[few, "group"])
        places = [out / f"{name}-{repeat}.csv" for name in ("train", "few", "rest")]
        _write(clean, normal[normal["group"].isin(train)], places[0])
        _write(loud, loud.table.loc[few], places[1])
        _write(loud, loud.table[~loud.table["group"].isin(known)], places[2])
        options = {"task": "anomaly", "per": PER, "settings": ["false_alarms=5%"], "overwrite": True}
        earmark.train(places[0], out / "before", test_fold="none", **options)
        earmark.adapt(out / "before", places[1], out / "after", overwrite=True)
        row = []
        for name in ("before", "after"):
            found = earmark.evaluate(out / name, places[2], split="all").to_dict()
            row += [found["auc"], found["pauc"], found["recall"], found["false_alarm_rate"]["seen"]]
        rows.append(row)
    mean = np.mean(rows, axis=0)
    print("| | AUC | pAUC | recall | false alarms (stated 5%) |\n|---|---|---|---|---|")
    for name, part in (("before", mean[:4]), ("after 5 normal clips an id", mean[4:])):
        print(f"| {name} | {part[0]:.3f} | {part[1]:.3f} | {100 * part[2]:.1f}% | {100 * part[3]:.1f}% |")


def watch(_: Path, out: Path) -> None:
    """Two hours of one machine with three planted faults; the detector knows an hour of its normal sound."""
    shutil.rmtree(out, ignore_errors=True)
    for kind in synth.MACHINES:
        place = out / kind
        synth.write_mimii(place / "data", machines=[kind], units=(2,), normal=360, abnormal=0, seed=3)
        faults = [(1500.0, 1620.0, 0.5), (3600.0, 3900.0, 0.7), (6000.0, 6060.0, 1.0)]
        recording = synth.write_watch(place / "watch.wav", kind, unit=2, faults=faults, seed=4)
        options = {"task": "anomaly", "settings": ["false_alarms=1/8h"], "overwrite": True}
        result = earmark.train(place / "data", place / "model", test_fold="none", **options)
        begin = time.perf_counter()
        prediction = earmark.load(result.path).predict(recording, windows=True)
        seconds = time.perf_counter() - begin
        found = detection.watch(
            [(e.start, e.end) for e in prediction.events],
            [f[:2] for f in faults],
            7200.0,
            raised=[e.raised for e in prediction.events],
            tolerance=10.0,
        )
        delays = ", ".join("missed" if d is None else f"{d:.1f} s" for d in found["delays"])
        print(
            f"| {kind} | {found['found']} of 3 | {delays} | {found['false_alarms']} in {found['normal_hours']:.2f} h "
            f"| {7200 / seconds:.0f} x real time |",
            flush=True,
        )


def sample(data: Path, out: Path) -> None:
    """MIMII's own clips, one normal and one abnormal of each id: that it runs, no more."""
    options = {"per": ("machine",), "overwrite": True, "settings": ["epochs=1", "min_steps=40"]}
    source = {"group": "id"}
    result = earmark.train(data / "mimii_sample", out, folds=4, **source, **options)
    print(detection.markdown(result.metrics["machines"]))
    print(*result.notes, sep="\n")


def _grouped(folder: Path) -> Manifest:
    """The manifest, copies in one group, as training has it."""
    return ingest(layouts.find(folder), sr=16_000).with_copies_grouped().manifest


def _folds_of(manifest: Manifest, out: Path, *, share: float = 1.0) -> None:
    """Four folds of unseen flights, with a share of the training groups; the pooled table."""
    shutil.rmtree(out / "folds", ignore_errors=True)
    tables = []
    for number, fold in enumerate(splits.grouped_folds(manifest, folds=4), start=1):
        rng = np.random.default_rng(number)
        train = manifest.table.iloc[fold.train]
        kept: list[str] = []
        for _, own in train.groupby(["id", "label"]):
            groups = rng.permutation(np.array(sorted(own["group"].unique())))
            kept += groups[: max(1, round(share * len(groups)))].tolist()
        rows = pd.concat(
            [
                train[train["group"].isin(kept)].assign(split="train"),
                manifest.table.iloc[fold.test].assign(split="test"),
            ]
        )
        place = out / "folds" / f"{number}.csv"
        _write(manifest, rows, place)
        result = earmark.train(place, out / "folds" / str(number), per=PER)
        print(
            f"fold {number}: {rows['split'].value_counts().to_dict()}, {100 * result.metrics['accuracy']:.1f} %",
            flush=True,
        )
        tables.append(pd.read_csv(result.path / "predictions.csv"))
    pooled = pd.concat(tables)
    machines = (pooled["machine"] + "/" + pooled["id"]).tolist()
    flagged, truth = (pooled[c].to_numpy() == "abnormal" for c in ("predicted", "label"))
    print(detection.markdown(detection.machine_table(machines, truth, flagged, pooled["score_abnormal"].to_numpy())))


def _write(manifest: Manifest, rows: pd.DataFrame, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    rows.assign(path=[str((manifest.root / p).resolve()) for p in rows["path"]]).to_csv(place, index=False)


def _noisier(data: Path, out: Path, snr_db: float, *, only: str = "") -> Path:
    """Propellers with an ESC-50 sound added to each clip: of categories that are not in the mix yet, each once, or of one."""
    shutil.rmtree(out, ignore_errors=True)
    table = pd.read_csv(data / "esc50" / "meta" / "esc50.csv")
    wanted = table["category"] == only if only else ~table["category"].isin(USED)
    names = table[wanted].sort_values("filename")["filename"].tolist()
    rng = np.random.default_rng(0)
    rng.shuffle(names)
    pool = itertools.cycle(names) if only else iter(names)
    # At -6 dB a clip holds one part of propeller and four of noise; what is added makes them as many as wanted.
    before, after = 10 ** (6 / 10), 10 ** (-snr_db / 10)
    share = (after - before) / (1 + before)
    for path in sorted((data / "propeller_mimii").rglob("*.flac")):
        clip = audio.decode(path)
        noise = _lasting(pool, data / "esc50" / "audio", len(clip.samples))
        noise *= np.sqrt(share * np.mean(np.square(clip.samples)) / np.mean(np.square(noise)))
        mixed = clip.samples + noise
        target = out / path.relative_to(data / "propeller_mimii").with_suffix(".wav")
        target.parent.mkdir(parents=True, exist_ok=True)
        audio.encode(target, (mixed / max(1.0, np.abs(mixed).max() / 0.99)).astype(np.float32), clip.sr)
    return out


def _lasting(pool: Any, folder: Path, count: int) -> NDArray[np.float32]:
    """The next sound of the pool that is more than silence, repeated."""
    while True:
        samples = audio.decode(folder / next(pool)).samples
        sounding = samples[np.abs(samples) > 1e-4]
        if len(sounding) > len(samples) / 2:
            return np.resize(samples[: int(np.flatnonzero(np.abs(samples) > 1e-4)[-1]) + 1], count).astype(np.float32)


def _by_wear(folder: Path, found: pd.DataFrame, figure: str) -> None:
    """The figure for each fifth of the wear: share that is right, or AUC against all normal clips."""
    with (folder / "wear.csv").open(newline="") as file:
        worn = {row["path"]: float(row["wear"]) for row in csv.DictReader(file)}
    found = found.assign(wear=found["path"].map(worn))
    abnormal = found[found["label"] == "abnormal"]
    print("| wear | " + ("right" if figure == "correct" else "AUC, pAUC, found at 5%") + " |\n|---|---|")
    for level, own in abnormal.groupby(pd.cut(abnormal["wear"], 5)):
        if figure == "correct":
            print(f"| {level} | {100 * own['correct'].mean():.1f}% of {len(own)} |")
            continue
        parts = []
        for _, normal in found[found["label"] == "normal"].groupby(["machine", "id"]):
            key = normal[["machine", "id"]].iloc[0]
            worse = own[(own["machine"] == key["machine"]) & (own["id"] == key["id"])]
            scores = -np.log10(np.concatenate([normal["tail"], worse["tail"]]))
            truth = np.repeat([0, 1], [len(normal), len(worse)])
            parts.append([roc_auc_score(truth, scores), roc_auc_score(truth, scores, max_fpr=0.1)])
        auc, pauc = np.mean(parts, axis=0)
        print(f"| {level} | {auc:.3f}, {pauc:.3f}, {100 * (own['tail'] <= 0.05).mean():.1f}% of {len(own)} |")


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    return folder


TASKS: dict[str, Callable[[Path, Path], None]] = {
    "propellers": propellers, "half": half, "noisy": noisy, "synthetic": synthetic, "normal-only": normal_only, "wear": wear,
    "adaptation": adaptation, "watch": watch, "sample": sample,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EARMARK_DATA", "../shared/data")))
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "earmark-machines")
    chosen = parser.parse_args()
    for task in chosen.tasks:
        begin = time.monotonic()
        print(f"\n## {task}: {(TASKS[task].__doc__ or '').strip()}\n", flush=True)
        TASKS[task](chosen.data, chosen.out / task)
        print(f"\n{(time.monotonic() - begin) / 60:.1f} min", flush=True)


if __name__ == "__main__":
    main()
