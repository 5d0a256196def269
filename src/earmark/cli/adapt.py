"""``earmark adapt``."""

from __future__ import annotations

from typing import Any

from earmark.cli import options as o
from earmark.workflow.calls import AdaptCall


@o.taking(AdaptCall)
def adapt(**given: Any) -> None:
    """Teach an anomaly detector new conditions with a few clips."""
    import earmark

    o.talk()
    result = earmark.adapt(**given)
    for skipped in result.skipped:
        o.say(f"excluded  {skipped}")
    print(f"model     {result.path}\ntry       earmark evaluate {result.path} DATA")
    o.exit_for(len(result.skipped))
