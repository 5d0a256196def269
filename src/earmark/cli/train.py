"""``earmark train``."""

from __future__ import annotations

from typing import Any

from earmark.cli import notes
from earmark.cli import options as o
from earmark.workflow.calls import TrainCall


@o.taking(TrainCall)
def train(*, json: o.Json = False, **given: Any) -> None:
    """Train a classifier on a folder of recordings."""
    import earmark

    o.talk()
    shown = notes.remembered()
    result = earmark.train(**given)
    if json:
        o.show_json({**result.to_dict(), "model": str(result.path)})
    else:
        if result.metrics:
            o.show_metrics(result.metrics)
        notes.show(result.notes, shown)
        print(f"model     {result.path}\nreport    {result.report}")
        print(f"try       earmark predict {result.path} RECORDING...")
    o.exit_for(len(result.skipped))
