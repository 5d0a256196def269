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

from earmark import audio, bundle
from earmark.bundle import MULTILABEL, Bundle, BundleSpec
from earmark.errors import AudioError, BundleError
from earmark.types import Prediction, Score, Window
from earmark.windows import WindowCutter, merge

_BATCH_SECONDS = 20.0  # audio a batch holds at most, so that memory does not grow with the recording


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
        self._session = _session(source, threads)

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels in the order of the logits."""
        return self.spec.labels

    @property
    def sample_rate(self) -> int:
        """Rate of the model's input in Hz; other rates are resampled."""
        return self.spec.sample_rate

    @overload
    def predict(
        self, source: audio.Source | NDArray[Any], *, sr: int | None = None, windows: bool = False
    ) -> Prediction: ...

    @overload
    def predict(
        self, source: list[Any] | tuple[Any, ...], *, sr: int | None = None, windows: bool = False
    ) -> list[Prediction]: ...

    def predict(self, source: Any, *, sr: int | None = None, windows: bool = False) -> Prediction | list[Prediction]:
        """Classify a recording, or each of a list.

        Parameters
        ----------
        source : path, bytes, file object, array, or a list of them
            Arrays are waveforms, shape (time,) or (time, channel), with full scale 1.0 or of an integer type.
        sr : int, optional
            Rate of arrays in Hz; required for them.
        windows : bool
            Also give the scores of each window.

        Returns
        -------
        Prediction or list of Prediction
            In a list, a recording that cannot be used becomes a prediction with ``error`` set.

        Raises
        ------
        AudioError
            Where a single recording cannot be used.
        ValueError
            For an array without its rate.
        """
        if isinstance(source, list | tuple):
            return list(self.predict_each(source, sr=sr, windows=windows))
        return self._predict(source, sr, windows)

    def predict_each(
        self, sources: Iterable[Any], *, sr: int | None = None, windows: bool = False
    ) -> Iterator[Prediction]:
        """Classify recordings one by one; those that cannot be used give a prediction with ``error`` set."""
        for source in sources:
            try:
                yield self._predict(source, sr, windows)
            except AudioError as error:
                yield Prediction(_path_of(source), "error", (), error=str(error))

    def logits(self, waveforms: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits, shape (batch, class), and embeddings of waveforms at the model's rate, shape (batch, time)."""
        logits, embedding = self._session.run(["logits", "embedding"], {"waveform": waveforms})
        return logits, embedding

    def scores(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of a waveform at the model's rate, its levels already applied, shape (time,) to (class,)."""
        cutter = WindowCutter(self.spec.plan)
        return merge(self._table(iter([*cutter.push(samples), *cutter.finish()]))[0], self.spec.merge)

    def _table(self, pieces: Iterator[tuple[NDArray[np.float32], int]]) -> tuple[NDArray[np.float32], list[int]]:
        """Probabilities of windows, shape (window, class), in batches of bounded size, and the windows' first samples."""
        starts: list[int] = []
        rows: list[NDArray[np.float32]] = []
        size = max(1, int(_BATCH_SECONDS / self.spec.window_seconds))
        while batch := list(islice(pieces, size)):
            starts += [start for _, start in batch]
            rows.append(self.spec.probabilities(self.logits(np.stack([p for p, _ in batch]))[0]))
        return np.concatenate(rows), starts

    def _predict(self, source: Any, sr: int | None, windows: bool) -> Prediction:
        level = _Level(self.spec)
        table, starts = self._table(self._windows(source, sr, level))
        found: tuple[Window, ...] = ()
        if windows:
            found = tuple(
                Window(
                    round(s / self.sample_rate, 6),
                    round(min(s / self.sample_rate + self.spec.window_seconds, level.end / self.sample_rate), 6),
                    self._ranked(row),
                )
                for s, row in zip(starts, table, strict=True)
            )
        scores = merge(table, self.spec.merge)
        heard = None
        if self.spec.task == MULTILABEL:
            heard = tuple(label for label, there in zip(self.labels, self.spec.heard(scores), strict=True) if there)
        return Prediction(_path_of(source), level.state, self._ranked(scores), found, labels=heard)

    def _ranked(self, scores: NDArray[np.float32]) -> tuple[Score, ...]:
        order = np.argsort(-scores, kind="stable")
        return tuple(Score(self.labels[i], float(scores[i])) for i in order)

    def _windows(self, source: Any, sr: int | None, level: _Level) -> Iterator[tuple[NDArray[np.float32], int]]:
        """Windows of a source in blocks, so that a recording of any length takes the same memory; levels need all of it."""
        cutter = WindowCutter(self.spec.plan)
        blocks: Iterable[NDArray[np.float32]] = level.watch(self._blocks(source, sr))
        first = 0
        if self.spec.levels.whole:
            recording = np.concatenate([np.zeros(0, np.float32), *blocks])
            samples, first = self.spec.levels.located(recording)
            level.end = first + len(samples)
            blocks = [samples]
        for block in blocks:
            yield from ((window, first + start) for window, start in cutter.push(block))
        yield from ((window, first + start) for window, start in cutter.finish())

    def _blocks(self, source: Any, sr: int | None) -> Iterator[NDArray[np.float32]]:
        """A source at the model's rate, mono; an array in one block."""
        if isinstance(source, np.ndarray):
            if sr is None:
                raise ValueError("an array needs its rate: predict(samples, sr=16000)")
            yield audio.from_array(source, sr, wanted=self.sample_rate, channel=self.spec.channel)
        else:
            for block in audio.blocks(source, sr=self.sample_rate, channel=self.spec.channel):
                yield block.samples


class _Level:
    """Watches the level of a recording as it goes by."""

    def __init__(self, spec: BundleSpec) -> None:
        self._spec = spec
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
