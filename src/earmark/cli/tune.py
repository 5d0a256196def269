"""``earmark tune``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from earmark.cli import options as o

if TYPE_CHECKING:
    from earmark.workflow.tuning import Tuned


def tune(
    data: o.Data,
    out: Annotated[Path, typer.Option(help="Folder that takes tuned.toml and trials.csv.", show_default=False)],
    *,
    trials: Annotated[int, typer.Option(help="How many settings to try; the first are the recipe's own.")] = 20,
    search: Annotated[str, typer.Option(help="Settings to search, separated by commas.")] = (
        "lr,mixup,time_stretch,frequency_mask,fft_seconds,n_mels"
    ),
    recipe: o.RecipeName = "auto",
    settings: o.Settings,
    test_fold: Annotated[
        str | None,
        typer.Option(help="Fold or split that tests later and takes no part, as for train.", show_default=False),
    ] = None,
    folds: o.HeldOutOf = None,
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
    allow_leak: o.AllowLeak = False,
    channel: o.Channel = None,
    per: o.Per = "",
    normal: o.Normal = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    resume: o.Resume = False,
    overwrite: o.Overwrite = False,
) -> None:
    """Search for settings that suit DATA inside its training part; needs the extra "tune"."""
    import earmark

    o.talk()
    found = earmark.tune(
        data,
        out,
        trials=trials,
        search=o.listed(search),
        test_fold=test_fold,
        folds=folds,
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
        options=earmark.TrainOptions(
            recipe=recipe,
            settings=settings,
            channel=channel,
            seed=seed,
            device=device,
            resume=resume,
            overwrite=overwrite,
            allow_leak=allow_leak,
            per=o.listed(per),
            normal=normal,
        ),
    )
    same = {
        "--test-fold": test_fold, "--folds": folds, "--include": include, "--group": group, "--group-pattern": group_pattern,
        "--layout": layout, "--pattern": pattern, "--label-column": label_column, "--label-separator": label_separator,
        "--label-seconds": label_seconds or None, "--min-seconds": min_seconds or None,
        "--overlaps": None if overlaps == "keep" else overlaps, "--background": background, "--channel": channel,
        "--per": per, "--normal": normal, "--seed": seed or None,
    }  # fmt: skip
    given = [word for name, value in same.items() if value not in (None, "") for word in (name, str(value))]
    given += ["--allow-leak"] if allow_leak else []
    _show(found, data, given)


def _show(found: Tuned, data: Path, given: list[str]) -> None:
    """What was found, and the command that trains with it on the same split; another test part may have been searched on."""
    import shlex

    was = "-" if found.first is None else f"{found.first:.4f}"
    said = ", ".join(f"{name} {value:.3g}" for name, value in found.best.items())
    print(f"best      {found.score:.4f} of {found.trials} trials (the recipe as it was: {was}): {said}")
    print(f"recipe    {found.path / 'tuned.toml'}")
    recipe, out = str(found.path / "tuned.toml"), f"{found.path}_model"
    print(f"try       {shlex.join(['earmark', 'train', str(data), '--recipe', recipe, *given, '--out', out])}")
