"""``earmark demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from earmark.cli import options as o

_STEPS = "min_steps=800"


def demo(
    out: Annotated[Path, typer.Option(help="Folder that takes the data set, the model and the report.")] = Path("demo"),
    *,
    seed: o.Seed = 0,
    overwrite: o.Overwrite = False,
) -> None:
    """Make a small data set of machine sounds, train, test, predict: the whole loop in two minutes."""
    import shlex

    import earmark
    from earmark.audio import decode, synth
    from earmark.errors import Interrupted, require
    from earmark.support.files import claim_output, make_folder, write_text

    for package in ("torch", "lightning", "matplotlib"):
        require(package, extra="train")
    from earmark.figures import plots

    o.talk()
    options = earmark.TrainOptions(recipe="fast", settings=[_STEPS], seed=seed, overwrite=overwrite)
    target = claim_output(out, overwrite=overwrite, made=["demo.json"], whole=False)
    # First, so that a second run knows the folder of one that was broken off.
    write_text(make_folder(target) / "demo.json", f'{{"seed": {seed}}}\n')
    data = synth.write_machines(target / "data", seed=seed)
    print(f"made {data}: fan, pump, slider and valve, intact and worn, in noise; five units of each\n")
    print(f"$ earmark train {data} --out {target / 'model'} --recipe fast --set {_STEPS}")
    try:
        result = earmark.train(data, target / "model", options=options)
    except Interrupted as error:
        again = shlex.join(["earmark", "demo", "--out", str(out), "--seed", str(seed), "--overwrite"])
        raise Interrupted(f"interrupted; start again with: {again}") from error
    o.show_metrics(result.metrics)
    plots.save(plots.confusion_matrix(result.metrics["confusion"], result.metrics["labels"]), target / "confusion.png")
    example = data / "audio" / "valve_worn_unit5_1.wav"
    plots.save(plots.spectrogram(decode(example), title=example.stem), target / "spectrogram.png")
    print(f"\n$ earmark predict {target / 'model'} {example}")
    best = earmark.load(result.path).predict(example)
    print(f"{best.label}  {best.score:.3f}\n")
    print(f"report    {result.path / 'report.html'}")
    print(f"pictures  {target / 'spectrogram.png'}, {target / 'confusion.png'}")
    print("next      the same on your own recordings: earmark train FOLDER_OF_CLASS_FOLDERS --out model")
