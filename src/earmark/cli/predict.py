"""``earmark predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options as o


def predict(
    model: o.Bundle,
    paths: Annotated[list[Path], typer.Argument(help="Recordings, or folders of them.", show_default=False)],
    *,
    windows: Annotated[bool, typer.Option("--windows", help="Also the scores of each window.")] = False,
    strict: o.Strict = False,
    json: o.Json = False,
) -> None:
    """Classify recordings with MODEL; one that cannot be used is named and the rest is done."""
    import sys

    import earmark
    from earmark.audio import find_recordings

    files = find_recordings(paths)
    loaded = earmark.load(model)
    found, failed = [], 0
    width = max(len(str(f)) for f in files)
    for prediction in loaded.predict_each(files, windows=windows):
        if prediction.error is not None:
            if strict:
                raise earmark.DataError(prediction.error)
            failed += 1
            print(f"earmark: {prediction.error}", file=sys.stderr)
        if json:
            found.append(prediction.to_dict())
        elif prediction.error is None:
            runner = prediction.scores[1]
            state = "" if prediction.state == "ok" else f"  [{prediction.state}]"
            print(
                f"{prediction.path!s:{width}}  {prediction.label}  {prediction.score:.3f}   "
                f"then {runner.label} {runner.score:.3f}{state}"
            )
            for w in prediction.windows:
                print(f"  {w.start:8.2f} to {w.end:8.2f} s  {w.scores[0].label}  {w.scores[0].score:.3f}")
    if json:
        o.show_json(found)
    if failed:
        print(f"earmark: {failed} of {len(files)} recordings could not be used", file=sys.stderr)
    o.exit_for(failed)
