"""``earmark predict``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from earmark.cli import options as o
from earmark.inference.predicting import PredictCall

if TYPE_CHECKING:
    from earmark.types import Prediction

_CANCELLED = (
    "its channels cancel each other, so that little of its sound is in their mean. Predict one channel of it, or train with "
    "--channel 0."
)


@o.taking(PredictCall)
def predict(*, json: o.Json = False, **given: Any) -> None:
    """Classify recordings with a trained model."""
    import sys

    import earmark
    from earmark.audio import find_recordings
    from earmark.inference.detector import rarity

    files = find_recordings(given["paths"])
    loaded = earmark.load(given["model"])
    failed = 0
    width = max(len(str(f)) for f in files)
    predictions = loaded.predict_each(files, windows=given["windows"], machine=given["machine"])
    for prediction in o.shown_as_json(predictions) if json else predictions:
        if prediction.error is not None:
            if given["strict"]:
                raise earmark.DataError(prediction.error)
            failed += 1
            o.say(f"earmark: {prediction.error}", file=sys.stderr)
        if prediction.state == "cancelled":
            print(f"earmark: {prediction.path}: cancelled: {_CANCELLED}", file=sys.stderr)
        if prediction.error is None and not json:
            state = "" if prediction.state == "ok" else f"  [{prediction.state}]"
            print(f"{prediction.path!s:{width}}  {_shown(prediction)}{state}")
            for w in prediction.windows:
                shown = f"{w.scores[0].label}  {w.scores[0].score:.3f}" if w.tail is None else rarity(w.tail)
                print(f"  {w.start:8.2f} to {w.end:8.2f} s  {shown}")
            for event in prediction.events:
                print(
                    f"  {event.label} since {event.start:.2f} s until {event.end:.2f} s, raised at {event.raised:.2f} s: "
                    f"{rarity(event.tail or 1.0)}"
                )
    if failed:
        print(f"earmark: {failed} of {len(files)} recordings could not be used", file=sys.stderr)
    o.exit_for(failed)


def _shown(prediction: Prediction) -> str:
    """The best label and the runner-up, or every label that reaches its threshold, or how unusual it is."""
    from earmark.inference.detector import rarity

    if prediction.tail is not None:
        machine = f"  as {prediction.machine}" if prediction.machine else ""
        return f"{prediction.label:8s}  {rarity(prediction.tail)}{machine}"
    if prediction.labels is not None:
        detected = [f"{s.label} {s.score:.3f}" for s in prediction.scores if s.label in prediction.labels]
        return ", ".join(detected) or "none of the labels"
    best, runner = prediction.scores[:2]
    return f"{best.label}  {best.score:.3f}   then {runner.label} {runner.score:.3f}"
