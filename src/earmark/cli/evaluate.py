"""``earmark evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import notes
from earmark.cli import options as o


def evaluate(
    model: o.Bundle,
    data: o.Data,
    *,
    split: Annotated[
        str, typer.Option(help="test: leave out clips that the model was trained on; all: take them too.")
    ] = "test",
    per: o.Per = "",
    normal: o.Normal = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder that takes metrics, predictions, tables and report.", show_default=False)
    ] = None,
    include: o.Include = "",
    group: o.Group = None,
    group_pattern: o.GroupPattern = None,
    layout: o.Layout = None,
    pattern: o.Pattern = None,
    label_column: o.LabelColumn = None,
    label_separator: o.LabelSeparator = None,
    label_seconds: o.LabelSeconds = 0.0,
    min_seconds: o.MinSeconds = 0.0,
    overlaps: o.Overlaps = "keep",
    background: o.Background = None,
    strict: o.Strict = False,
    overwrite: o.Overwrite = False,
    json: o.Json = False,
) -> None:
    """Measure MODEL on the clips of DATA that it was not trained on."""
    import sys

    import earmark

    o.talk()
    shown = notes.remembered()
    metrics = earmark.evaluate(
        model,
        data,
        split=split,
        per=o.listed(per),
        normal=normal,
        source=earmark.DataOptions(
            layout=layout,
            pattern=pattern,
            include=o.listed(include),
            group=group,
            group_pattern=group_pattern,
            label_separator=label_separator,
            selections=o.selections(label_column, min_seconds, overlaps, background, label_seconds),
            strict=strict,
        ),
        out=out,
        overwrite=overwrite,
    )
    notes.show(metrics["notes"], shown, file=sys.stderr)
    if metrics["trained_on"] and split == "test":
        print(f"excluded  {metrics['trained_on']} clips that the model was trained on", file=sys.stderr)
    for skipped in metrics["skipped"]:
        print(f"excluded  {skipped['error']}", file=sys.stderr)
    if json:
        o.show_json(metrics)
    else:
        o.show_metrics(metrics)
        o.show_classes(metrics)
    o.exit_for(len(metrics["skipped"]))
