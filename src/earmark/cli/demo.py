"""``earmark demo``."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options as o

_SETTINGS = {"width": 0.5, "hop_seconds": 0.02, "min_steps": 300}  # minutes on any machine


def demo(
    out: Annotated[Path, typer.Option(help="Folder that takes the data set, the model and the report.")] = Path("demo"),
    *,
    seed: o.Seed = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier demo made.")] = False,
) -> None:
    """Train and test on built-in machine sounds, in minutes."""
    import earmark
    from earmark.audio import decode, synth
    from earmark.errors import Interrupted, require
    from earmark.support.files import claim_output, make_folder, partial, write_text

    for package in ("torch", "lightning", "matplotlib"):
        require(package, extra="train")
    from earmark.figures import plots

    o.talk()
    model = out / "model"
    target = claim_output(out, overwrite=overwrite or resume, made=["demo.json"], whole=False)
    begun = resume and partial(model).exists()  # else it was interrupted before there was anything to keep
    # First, so that a second run knows the folder of one that was broken off.
    write_text(make_folder(target) / "demo.json", f'{{"seed": {seed}}}\n')
    data = synth.write_machines(target / "data", seed=seed)
    print(f"made {data}: fan, pump, slider and valve, intact and worn, in noise; five units of each\n")
    changes = " ".join(f"--set {name}={value}" for name, value in _SETTINGS.items())
    print(f"$ earmark train {data} --out {model} --recipe fast {changes}")
    try:
        result = earmark.train(
            data,
            model,
            recipe="fast",
            settings=[f"{name}={value}" for name, value in _SETTINGS.items()],
            seed=seed,
            resume=begun,
            overwrite=not begun and (overwrite or resume),
        )
    except Interrupted as error:
        again = shlex.join(["earmark", "demo", "--out", str(out), "--seed", str(seed), "--resume"])
        raise Interrupted(f"interrupted; continue with: {again}") from error
    o.show_metrics(result.metrics)
    plots.save(plots.confusion_matrix(result.metrics["confusion"], result.metrics["labels"]), target / "confusion.png")
    tested = result.predictions
    example = data / tested[tested["label"] == "valve_worn"]["path"].iloc[0]
    plots.save(plots.spectrogram(decode(example), title=example.stem), target / "spectrogram.png")
    print(f"\n$ earmark predict {model} {example}    # a unit that the model was not trained on")
    best = earmark.load(model).predict(example)
    print(f"{best.label}  {best.score:.3f}\n")
    print(f"report    {result.report}   open it in a browser")
    print(f"figures   {target / 'spectrogram.png'}, {target / 'confusion.png'}")
    print("next      your own recordings, a folder for each class:")
    print("          earmark scan FOLDER, then earmark train FOLDER --out model")
