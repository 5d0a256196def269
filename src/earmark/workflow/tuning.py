"""A search for settings, inside the training part: what tests in the end takes no part in it. The only file that imports optuna."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from earmark import tasks
from earmark.data import splits
from earmark.data.splits import Split
from earmark.errors import DataError, DiskError, Interrupted, OutputError, SettingsError, require
from earmark.networks.classifier import Classifier
from earmark.support.files import RUN, atomic_file, claim_output, publish_folder, saving, work_folder, write_text
from earmark.support.keywords import flat
from earmark.support.progress import quiet
from earmark.training import fitting, recipe
from earmark.training.settings import Recipe
from earmark.workflow.calls import TuneCall
from earmark.workflow.describing import make_spec
from earmark.workflow.job import Job, identity
from earmark.workflow.planning import holdout, plan
from earmark.workflow.training import GO_ON, train_split

log = logging.getLogger("earmark")

RECIPE, TRIALS = "tuned.toml", "trials.csv"
_STUDY = "study.log"
_JUDGED = 0.2  # share of the training groups that judges, unless validation is set
_AGAIN = "Give overwrite=True instead of resume=True to start again"
_PASSES = ("epochs", "epochs_a_label", "min_steps")  # each of which rules the others where it is named alone

Range = tuple[float, float, bool]
SPACE: Mapping[str, Range | Sequence[float]] = {
    "lr": (5e-4, 1e-2, True),
    "weight_decay": (1e-3, 0.1, True),
    "label_smoothing": (0.0, 0.2, False),
    "dropout": (0.0, 0.5, False),
    "mixup": (0.05, 2.0, True),
    "cutmix": (0.0, 0.8, False),
    "time_stretch": (0.0, 0.4, False),
    "mel_warp": (0.0, 0.3, False),
    "time_mask": (0.0, 0.25, False),
    "frequency_mask": (0.0, 0.25, False),
    "fft_seconds": [0.02, 0.032, 0.046, 0.064, 0.093],
    "n_mels": [48, 64, 96, 128],
    "width": [0.5, 0.75, 1.0, 1.5],
}
"""What may be searched: lowest, highest and whether on a logarithmic scale, or the values."""


@dataclass(frozen=True)
class Tuned:
    """What a search found.

    Attributes
    ----------
    path : Path
        Folder with the recipe, ``tuned.toml``, and a table of the trials, ``trials.csv``.
    best : dict
        Settings of the best trial.
    score : float
        Its accuracy (mean average precision where clips have several labels) on the inner part.
    first : float or None
        That of the recipe as it was, which is the first trial; None if its settings do not fit each other.
    trials : int
    """

    path: Path
    best: dict[str, Any]
    score: float
    first: float | None
    trials: int


@dataclass(frozen=True, kw_only=True)
class TuneKeywords(TuneCall, Recipe):
    """All keywords of `earmark.tune`: its own, and every setting of the recipe."""


@flat(TuneKeywords, TuneCall)
def tune(call: TuneCall) -> Tuned:
    """Search for settings that suit a data set: each trial trains on most of the training part and is judged on the rest.

    The test part takes no part in it, so that training with ``OUT/tuned.toml``, the same split and the same seed is measured
    cleanly. The settings that can be searched are in `SPACE`.

    Returns
    -------
    Tuned

    Raises
    ------
    EarmarkError
        Of the kind that says what is wrong.
    """
    optuna = require("optuna", extra="tune")
    trials, search = call.trials, call.search
    unknown = sorted(set(search) - set(SPACE))
    if unknown or not search:
        raise SettingsError(f"search is {', '.join(search)!r}; choose among {', '.join(SPACE)}")
    if trials < 2:
        raise SettingsError(f"trials is {trials}; give two at least: the first is the recipe as it is")
    asked = tasks.asked(call.task)
    if (asked and not asked.SEARCHED) or call.base is not None:
        raise SettingsError("tune searches settings of classifiers trained anew; remove task='anomaly' and base=MODEL")

    target = claim_output(call.out, overwrite=call.overwrite, made=[RECIPE, TRIALS])
    (outer,) = plan(call.data, call, call, holdout(call, call.test_fold, call.folds))
    job = _inner(outer)
    said = identity([job]) + "\n" + " ".join(sorted(search))
    with work_folder(target, said, resume=call.resume, overwrite=call.overwrite) as work:
        _log_cost(job, trials)
        try:
            with saving(work):
                study = _search(optuna, job, work, trials=trials, search=search)
                scores = [t.value for t in _done(study)]
                if not any(score is not None for score in scores):
                    raise DataError(f"{call.data}: none of the {trials} trials could be trained; search other settings")
                found = Tuned(target, dict(study.best_params), float(study.best_value), scores[0], len(scores))
                _write(study, job, found.best, work)
                publish_folder(work, target)
        except DiskError as error:
            raise error.then(GO_ON) from error
        (target / RUN).unlink(missing_ok=True)  # after all else: by it an interrupted search is known
        return found


def _search(optuna: Any, job: Job, work: Path, *, trials: int, search: Sequence[str]) -> Any:
    """The study, with as many trials as are wanted."""
    study = _study(optuna, work)
    if not _done(study):
        study.enqueue_trial({name: _own(name, job) for name in search})

    def judge(trial: Any) -> float:
        changes = [f"{name}={_drawn(trial, name, job)!r}" for name in search]
        try:
            score = _score(job, changes, work / "trial")
        except SettingsError as error:  # settings that do not fit each other
            log.info("not trained: %s", error)
            raise optuna.TrialPruned from error
        log.info("%.4f with %s", score, ", ".join(changes))
        return score

    try:
        while (count := len(_done(study))) < trials:
            log.info("— trial %d of %d", count + 1, trials)
            # Seeded for each trial, so that a resumed search draws what an unbroken one draws.
            seed = int(np.random.SeedSequence([job.options.seed, count]).generate_state(1)[0])
            # A trial that a killed search left running must not count among the bad ones.
            study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=False)
            study.optimize(judge, n_trials=1)
    except (Interrupted, KeyboardInterrupt) as error:
        kept = f"{work} holds the {count} trials done: run it again with resume=True to continue"
        raise Interrupted(f"interrupted; {kept}") from error
    except AssertionError as error:  # optuna's, where its file could not take a trial's score
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise
    return study


def _study(optuna: Any, folder: Path) -> Any:
    """The search, kept in a file from which it is resumed.

    Raises
    ------
    OutputError
        Where that file is damaged.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    place, journal = folder / _STUDY, optuna.storages.journal
    _mend(place)
    lock = journal.JournalFileOpenLock(str(place))  # links, the other way, are not everybody's right on Windows
    try:
        return optuna.create_study(
            study_name="earmark",
            direction="maximize",
            storage=optuna.storages.JournalStorage(journal.JournalFileBackend(str(place), lock_obj=lock)),
            load_if_exists=True,
        )
    except OSError:
        raise
    except Exception as error:
        # What a damaged journal makes optuna raise depends on where it is damaged.
        raise OutputError(f"{place}: is damaged ({type(error).__name__}: {error}). {_AGAIN}.") from error


def _mend(place: Path) -> None:
    """Cut off the half line that a full disk left at the end of a study, which later lines would join.

    Raises
    ------
    OutputError
        Where other lines are damaged.
    """
    if not place.exists():
        return
    content = place.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    try:
        for line in whole.splitlines():
            json.loads(line)
    except ValueError as error:
        raise OutputError(f"{place}: is damaged ({error}). {_AGAIN}.") from error
    if len(whole) < len(content):
        with atomic_file(place, durable=True) as temporary:
            temporary.write_bytes(whole)


def _done(study: Any) -> list[Any]:
    """The trials that were judged, or whose settings do not fit each other; not those that were broken off."""
    return [t for t in study.trials if t.state.name in ("COMPLETE", "PRUNED")]


def _inner(outer: Job) -> Job:
    """The training part alone, of which some groups judge."""
    own = recipe.given(outer.options.recipe, outer.options.settings)
    share = outer.recipe.validation if "validation" in own else max(outer.recipe.validation, _JUDGED)
    seed = outer.options.seed
    parts = splits.with_validation(outer.clips.manifest, _without_curves(outer), share=share, seed=seed)
    nothing = np.zeros(0, np.int64)
    inner = Split(parts.train, nothing, parts.valid, "inner part", "clips inside the training part judge", parts.notes)
    if outer.task.THRESHOLDS or outer.recipe.patience:
        # Thresholds, or when to stop, are chosen on clips of their own.
        inner = splits.with_validation(
            outer.clips.manifest, inner, share=share, seed=(seed + 1) % 2**32, needed=bool(outer.recipe.patience)
        )
    options = dataclasses.replace(outer.options, overwrite=True, resume=False)
    return dataclasses.replace(outer, split=inner, options=options)


def _without_curves(outer: Job) -> Split:
    """The split, in which clips that would only draw validation curves train again."""
    split = outer.split
    published = (outer.clips.manifest.column("split")[split.valid] == "valid").all()
    if outer.task.THRESHOLDS or outer.recipe.patience or published:
        return split
    return dataclasses.replace(split, train=np.union1d(split.train, split.valid), valid=np.zeros(0, np.int64))


def _log_cost(job: Job, trials: int) -> None:
    classifier = Classifier(job.spec)
    frames = classifier.front_end.frames(job.spec.plan.window)
    seconds = fitting.seconds(
        classifier, job.recipe, clips=len(job.split.train), window_frames=frames, device=job.options.device
    )
    for note in job.split.notes:
        log.info("note      %s", note)
    log.info(
        "search    %d trials of about %.1f minutes each, %.0f in all; %d clips train, %d judge, %d test later and take no part",
        trials, seconds / 60, trials * seconds / 60, len(job.split.train), len(job.split.test),
        len(job.clips.manifest) - len(job.split.train) - len(job.split.test) - len(job.split.valid),
    )  # fmt: skip


def _own(name: str, job: Job) -> Any:
    """The recipe's value, or what it left to the data."""
    return job.spec.front_end.get(name, getattr(job.recipe, name))


def _drawn(trial: Any, name: str, job: Job) -> Any:
    """A value of a setting; the recipe's own is among the values."""
    space, own = SPACE[name], _own(name, job)
    if isinstance(space, tuple):
        low, high, log_scale = space
        return trial.suggest_float(name, min(low, own), max(high, own), log=log_scale and own > 0)
    return trial.suggest_categorical(name, sorted({*space, own}))


def _score(job: Job, changes: Sequence[str], place: Path) -> float:
    """Train with these settings and judge on the inner part."""
    chosen = recipe.load(job.options.recipe, [*job.options.settings, *changes])
    manifest = job.clips.manifest
    shutil.rmtree(place, ignore_errors=True)
    with quiet("earmark"):
        # At the rate that the clips were decoded at; what was left out might have chosen another.
        at_rate = dataclasses.replace(chosen, sample_rate=job.spec.sample_rate)
        spec = make_spec(manifest, at_rate, channel=job.options.channel)
        spec = dataclasses.replace(spec, labels=job.spec.labels, task=job.spec.task, merge=job.spec.merge)
        metrics = train_split(dataclasses.replace(job, recipe=chosen, spec=spec), place).metrics
    shutil.rmtree(place)
    figure = job.task.SEARCHED
    if metrics[figure] is None:
        raise DataError(
            f"{manifest.root}: {figure} cannot be measured on the {len(job.split.test)} clips that judge the trials: none has a "
            "label. Choose another seed=N, or add labelled recordings."
        )
    return float(metrics[figure])


def _write(study: Any, job: Job, best: Mapping[str, Any], folder: Path) -> None:
    """The best settings as a recipe, and every trial as a table."""
    plain = Recipe().to_dict()
    chosen = recipe.load(job.options.recipe, [*job.options.settings, *(f"{k}={v!r}" for k, v in best.items())])
    lines = [f"{k} = {_toml(v)}" for k, v in chosen.to_dict().items() if v != plain[k] or k in _PASSES]
    about = f"# Found by earmark tune: {job.options.recipe} with {', '.join(best)} searched inside the training part."
    write_text(folder / RECIPE, "\n".join([about, *lines]) + "\n")
    rows = [{"trial": n, "score": t.value, **t.params} for n, t in enumerate(_done(study), start=1)]
    pd.DataFrame(rows).to_csv(folder / TRIALS, index=False, float_format="%.6g", lineterminator="\n")


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)
