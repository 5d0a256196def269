"""``earmark evaluate``."""

from __future__ import annotations

from typing import Any

from earmark.cli import notes
from earmark.cli import options as o
from earmark.workflow.calls import EvaluateCall


@o.taking(EvaluateCall)
def evaluate(*, json: o.Json = False, **given: Any) -> None:
    """Measure a model on clips that it was not trained on."""
    import sys

    import earmark

    o.talk()
    shown = notes.remembered()
    result = earmark.evaluate(**given)
    notes.show(result.notes, shown, file=sys.stderr)
    if result.further["trained_on"] and given["split"] == "test":
        print(f"excluded  {result.further['trained_on']} clips that the model was trained on", file=sys.stderr)
    for skipped in result.skipped:
        o.say(f"excluded  {skipped}", file=sys.stderr)
    if json:
        o.show_json(result.to_dict())
    else:
        o.show_metrics(result.metrics)
        o.show_classes(result.metrics)
        if result.report:
            print(f"\nreport    {result.report}")
    o.exit_for(len(result.skipped))
