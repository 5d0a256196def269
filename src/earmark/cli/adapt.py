"""``earmark adapt``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options as o


def adapt(
    model: o.Bundle,
    data: o.Data,
    out: Annotated[Path, typer.Option(help="Folder of the new bundle.", show_default=False)],
    *,
    machine: Annotated[
        str | None,
        typer.Option(
            help="Which machine the clips are of; by the columns of DATA otherwise. A new name adds one.",
            show_default=False,
        ),
    ] = None,
    normal: o.Normal = None,
    false_alarms: Annotated[
        str | None,
        typer.Option(
            help="Set the thresholds for this: 5% of the windows, or 1/8h. Default: as before.", show_default=False
        ),
    ] = None,
    group: o.Group = None,
    group_pattern: o.GroupPattern = None,
    layout: o.Layout = None,
    pattern: o.Pattern = None,
    label_column: o.LabelColumn = None,
    strict: o.Strict = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Teach an anomaly detector new conditions with a few normal clips of DATA: another background, load or machine."""
    import earmark

    o.talk()
    result = earmark.adapt(
        model,
        data,
        out,
        machine=machine,
        normal=normal,
        false_alarms=false_alarms,
        source=earmark.DataOptions(
            layout=layout,
            pattern=pattern,
            group=group,
            group_pattern=group_pattern,
            selections=o.selections(label_column),
            strict=strict,
        ),
        overwrite=overwrite,
    )
    for skipped in result.skipped:
        print(f"excluded  {skipped}")
    print(f"model     {result.path}\ntry       earmark evaluate {result.path} DATA")
    o.exit_for(len(result.skipped))
