"""A trained model at work: recordings to predictions on ONNX Runtime, without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from earmark import audio, bundle, tasks
from earmark.audio.windows import WindowCutter
from earmark.bundle import DETECTOR, Bundle, BundleSpec
from earmark.errors import AudioError, BundleError, SettingsError
from earmark.inference.detector import Detector
from earmark.support import display
from earmark.support.display import named
from earmark.tasks import Judged
from earmark.types import Deviation, Prediction, Score, Waveform, Window

_BATCH_SECONDS = 20.0  # audio a batch holds at most, so that memory does not grow with the recording
_NEPER = 10 / np.log(10)  # decibels of power


def load(path: str | os.PathLike[str], *, threads: int | None = None) -> Model:
    """Load a bundle for prediction.

    Parameters
    ----------
    path : path
        A bundle: its folder or its ``.zip``.
    threads : int, optional
        Cores to use; all by default.

    Returns
    -------
    Model

    Raises
    ------
    BundleError
        Where the bundle is missing, damaged, altered or too new.
    """
    return Model(bundle.read(path), threads=threads)


class Model:
    """A loaded bundle.

    Attributes
    ----------
    labels : tuple of str
        In the order of the logits.
    sample_rate : int
        Rate that recordings are brought to, in Hz.
    """

    def __init__(self, source: Bundle, *, threads: int | None = None) -> None:
        self.spec: BundleSpec = source.spec
        self.path: Path = source.path
        self._task = tasks.of(self.spec, source=f"{source.path}: {bundle.DESCRIPTION}")
        self._session = _session(source, threads)
        self.detector: Detector | None = _detector(source) if self._task.LEARNER == tasks.DETECTOR else None

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in the order of the logits."""
        return self.spec.labels

    @property
    def sample_rate(self) -> int:
        """Rate of the model's input in Hz; other rates are resampled."""
        return self.spec.sample_rate

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}, {self._task.NAME} of {named(self.labels)}, {self._input})"

    def _repr_html_(self) -> str:
        rows = [["labels", named(self.labels)], ["input", self._input]]
        rows += [[name, value] for value, name in (self._task.headline(self.spec.metrics) if self.spec.metrics else ())]
        return display.table(f"{self._task.NAME}: {self.path}", rows)

    @property
    def _input(self) -> str:
        return f"windows of {self.spec.window_seconds:g} s at {self.sample_rate} Hz"

    @overload
    def predict(
        self,
        source: audio.Source | Waveform | NDArray[Any],
        *,
        sr: int | None = None,
        windows: bool = False,
        machine: str | None = None,
    ) -> Prediction: ...

    @overload
    def predict(
        self,
        source: list[Any] | tuple[Any, ...],
        *,
        sr: int | None = None,
        windows: bool = False,
        machine: str | None = None,
    ) -> list[Prediction]: ...

    def predict(
        self, source: Any, *, sr: int | None = None, windows: bool = False, machine: str | None = None
    ) -> Prediction | list[Prediction]:
        """Classify a recording, or each of a list.

        Parameters
        ----------
        source : path, bytes, file object, Waveform, array, or a list of them
            Arrays are waveforms, shape (time,) or (time, channel), with full scale 1.0 or of an integer type.
        sr : int, optional
            Rate of arrays in Hz, required for them; a `Waveform` brings its own.
        windows : bool
            Also give the scores of each window; of an anomaly detector also when it was abnormal.
        machine : str, optional
            Models of several machines: which one it is; found by its sound otherwise.

        Returns
        -------
        Prediction or list of Prediction
            In a list, a recording that cannot be used becomes a prediction with ``error`` set.

        Raises
        ------
        AudioError
            Where a single recording cannot be used.
        SettingsError
            For an unknown machine.
        ValueError
            For an array without its rate.
        """
        if isinstance(source, list | tuple):
            return list(self.predict_each(source, sr=sr, windows=windows, machine=machine))
        return self._predict(source, sr, windows, self.spec.machine_number(machine))

    def predict_each(
        self, sources: Iterable[Any], *, sr: int | None = None, windows: bool = False, machine: str | None = None
    ) -> Iterator[Prediction]:
        """Classify recordings one by one; those that cannot be used give a prediction with ``error`` set."""
        number = self.spec.machine_number(machine)
        for source in sources:
            try:
                yield self._predict(source, sr, windows, number)
            except AudioError as error:
                yield Prediction(_path_of(source), "error", (), error=str(error))

    def logits(self, waveforms: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits, shape (batch, class), and embeddings of waveforms at the model's rate, shape (batch, time)."""
        logits, embedding = self._session.run(["logits", "embedding"], {"waveform": waveforms})
        return logits, embedding

    def embeddings(self, waveforms: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Anomaly detectors: embeddings, shape (batch, size), and log-mel bands in nepers of power, shape (batch, band, frame)."""
        embedding, bands = self._session.run(["embedding", "bands"], {"waveform": waveforms})
        return embedding, bands

    def scores(self, samples: NDArray[np.float32], machine: str | None = None) -> NDArray[np.floating[Any]]:
        """Scores of a waveform at the model's rate, its levels already applied, shape (time,) to (class,).

        Probabilities; of anomaly detectors the tail probability of its most unusual window.
        """
        return self._task.recording(self._whole(samples, machine), self.spec)

    def tails(self, samples: NDArray[np.float32], machine: str | None = None) -> tuple[NDArray[np.float64], list[int]]:
        """Anomaly detectors: share of normal windows at least as unusual as each of a waveform, and their first samples."""
        judged = self._whole(samples, machine)
        return judged.tails, judged.starts

    def deviation(
        self,
        source: Any,
        *,
        sr: int | None = None,
        start: float = 0.0,
        end: float | None = None,
        machine: str | None = None,
    ) -> Deviation:
        """Which frequencies and times of a recording differ from normal sound: an anomaly detector's why.

        Parameters
        ----------
        source, sr, machine
            As for `predict`.
        start, end : float, optional
            Stretch in seconds, ten minutes at most: `predict` says when a recording was unusual.

        Raises
        ------
        SettingsError
            For a model that is no anomaly detector, a segment that is longer or holds nothing, or an unknown machine.
        """
        if self.detector is None:
            raise SettingsError(f"{self.path}: is no anomaly detector; train one with task='anomaly'")
        name = _path_of(source) or "recording"
        first, last = round(start * self.sample_rate), None if end is None else round(end * self.sample_rate)
        kept, count = [], 0
        blocks, at = self._levelled(source, sr, _Level(self.spec))
        for block in blocks:
            kept.append(block[max(0, first - at) : None if last is None else max(0, last - at)])
            at, count = at + len(block), count + len(kept[-1])
            if count > 600 * self.sample_rate:
                raise SettingsError(f"{name}: lasts more than ten minutes; give start and end of what you mean")
            if last is not None and at >= last:
                break
        if first < 0 or not count:
            until = "its end" if end is None else f"{end:g} s"
            raise SettingsError(f"{name}: from {start:g} s to {until} there is no sound; correct start and end")
        return self.deviation_of(np.concatenate(kept), machine)

    def deviation_of(self, samples: NDArray[np.float32], machine: str | None = None) -> Deviation:
        """`deviation` of a waveform at the model's rate, its levels already applied, shape (time,)."""
        detector, spec = self.detector, self.spec
        assert detector is not None
        number = spec.machine_number(machine)
        number = self._whole(samples, machine).machine if number is None else number
        fitted = spec.plan.fit(samples)
        bands = self.embeddings(fitted[None])[1][0].astype(np.float64)
        bands = bands[:, : max(1, bands.shape[1] * len(samples) // len(fitted))]  # without what fills up a short clip
        change = bands - detector.band_mean[number][:, None]
        mean = change.mean(axis=1)
        return Deviation(
            levels=_NEPER * bands,
            change=change / detector.frame_std[number][:, None],
            bands=mean / detector.band_std[number],
            excess_db=_NEPER * mean,
            frequencies=np.array(spec.detector["frequencies"], np.float64),
            seconds=len(samples) / self.sample_rate,
            machine=spec.machines[number] if spec.machines else None,
        )

    def _whole(self, samples: NDArray[np.float32], machine: str | None) -> Judged:
        return self._judged(self.spec.plan.pieces(samples), self.spec.machine_number(machine))

    def _judged(self, pieces: Iterator[tuple[NDArray[np.float32], int]], machine: int | None) -> Judged:
        """Scores of windows, in batches of bounded size."""
        starts: list[int] = []
        rows: list[NDArray[np.floating[Any]]] = []
        tails: list[NDArray[np.float64]] = []
        votes = np.zeros(max(1, len(self.spec.machines)))
        size = max(1, int(_BATCH_SECONDS / self.spec.window_seconds))
        while batch := list(islice(pieces, size)):
            starts += [start for _, start in batch]
            waveforms = np.stack([p for p, _ in batch])
            if self.detector is not None:
                tail, found = self.detector.judge(self.embeddings(waveforms)[0], machine)
                votes += np.bincount(found, minlength=len(votes))
                tails.append(tail)
                rows.append(1 - tail[:, None])
                continue
            logits = self.spec.shifted_logits(waveforms, lambda x: self.logits(x)[0])
            rows.append(tasks.network(self.spec.task).probabilities(logits, self.spec.temperature))
        number = int(votes.argmax()) if machine is None else machine
        return Judged(np.concatenate(rows), starts, number, np.concatenate(tails) if tails else np.zeros(0))

    def _predict(self, source: Any, sr: int | None, windows: bool, machine: int | None) -> Prediction:
        level = _Level(self.spec)
        judged = self._judged(self._windows(source, sr, level), machine)
        rate, length = self.sample_rate, self.spec.window_seconds
        spans = [(round(s / rate, 6), round(min(s / rate + length, level.end / rate), 6)) for s in judged.starts]
        decision = self._task.decide(judged, self.spec, spans if windows else ())
        found: tuple[Window, ...] = ()
        if windows:
            found = tuple(
                Window(*span, self._ranked(row), tail=None if self.detector is None else float(judged.tails[i]))
                for i, (span, row) in enumerate(zip(spans, judged.scores, strict=True))
            )
        return Prediction(
            _path_of(source), level.state, self._ranked(decision.scores), found, labels=decision.labels,
            machine=self.spec.machines[judged.machine] if self.spec.machines else None,
            threshold=decision.threshold, tail=decision.tail, events=decision.events,
        )  # fmt: skip

    def _ranked(self, scores: NDArray[np.floating[Any]]) -> tuple[Score, ...]:
        order = np.argsort(-scores, kind="stable")
        return tuple(Score(self.labels[i], float(scores[i])) for i in order)

    def _windows(self, source: Any, sr: int | None, level: _Level) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Windows of a source in blocks, so that a recording of any length takes the same memory; levels need all of it."""
        cutter = WindowCutter(self.spec.plan)
        blocks, first = self._levelled(source, sr, level)
        for block in blocks:
            yield from ((window, first + start) for window, start in cutter.push(block))
        yield from ((window, first + start) for window, start in cutter.finish())

    def _levelled(self, source: Any, sr: int | None, level: _Level) -> tuple[Iterable[NDArray[np.float32]], int]:
        """A source in blocks, its levels applied, and which of its samples is the first."""
        blocks = level.watch(self._blocks(source, sr, level.measure))
        if not self.spec.levels.whole:
            return blocks, 0
        samples, first = self.spec.levels.located(np.concatenate([np.zeros(0, np.float32), *blocks]))
        level.end = first + len(samples)
        return [samples], first

    def _blocks(self, source: Any, sr: int | None, measure: audio.Measure) -> Iterator[NDArray[np.float32]]:
        """A source at the model's rate, mono; an array in one block."""
        if isinstance(source, Waveform):
            source, sr = source.samples, source.sr
        if isinstance(source, np.ndarray):
            if sr is None:
                raise ValueError("an array needs its rate: predict(samples, sr=16000)")
            channel = self.spec.channel
            yield audio.from_array(source, sr, wanted=self.sample_rate, channel=channel, measure=measure)
        else:
            for block in audio.blocks(source, sr=self.sample_rate, channel=self.spec.channel, measure=measure):
                yield block.samples


class _Level:
    """Watches the level of a recording as it goes by."""

    def __init__(self, spec: BundleSpec) -> None:
        self._spec = spec
        self.measure = audio.Measure(spec.channel)
        self._peak = 0.0
        self._full = 0
        self._count = 0
        self.end = 0  # of what the windows cover, in samples of the recording

    def watch(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for samples in blocks:
            size = np.abs(samples)
            self._peak = max(self._peak, float(size.max(initial=0.0)))
            self._full += int((size >= 0.999).sum())
            self._count += len(samples)
            self.end = self._count
            yield samples

    @property
    def state(self) -> str:
        if self.measure.cancelled:  # before silence, which the mean of such channels looks like
            return "cancelled"
        if self._peak < 10 ** (self._spec.silence_dbfs / 20):
            return "silence"
        return "clipped" if self._full >= self._spec.clipped_share * self._count else "ok"


def _path_of(source: Any) -> str | None:
    return str(source) if isinstance(source, str | os.PathLike) else None


def _session(source: Bundle, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    try:
        session = onnxruntime.InferenceSession(source.read(bundle.ONNX), options, providers=["CPUExecutionProvider"])
        metadata = json.loads(session.get_modelmeta().custom_metadata_map["earmark"])
    except (RuntimeError, ValueError, KeyError) as error:
        raise BundleError(f"{source.path}: {bundle.ONNX} cannot be loaded ({error}); train anew") from error
    # Through the description's own reading, so that what an older bundle does not say is the same on both sides.
    made_with = BundleSpec.from_dict(metadata, source=f"{source.path}: {bundle.ONNX}").to_dict()
    said = source.spec.to_dict()
    keys = (
        "task", "labels", "sample_rate", "channel", "levels", "window_seconds", "stride_seconds", "front_end", "temperature",
    )  # fmt: skip
    for key in keys:
        if made_with[key] != said[key]:
            raise BundleError(
                f"{source.path}: {bundle.DESCRIPTION} was altered: its {key} differs from the one that {bundle.ONNX} was made "
                "with; copy the bundle again or train anew"
            )
    return session


def _detector(source: Bundle) -> Detector:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(source.read(DETECTOR))
    except SafetensorError as error:
        raise BundleError(
            f"{source.path}: {DETECTOR} cannot be read ({error}); copy the bundle again or train anew"
        ) from error
    return Detector.of(arrays, source=f"{source.path}: {DETECTOR}")
