"""The search for settings."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import earmark
from conftest import TINY, Run
from earmark.training import recipe
from earmark.workflow import tuning

pytest.importorskip("optuna")
GROUPS = {"group_pattern": r"[^/]+/g\d+_"}
QUICK = (*TINY, "epochs=2")


def test_the_test_part_takes_no_part(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[set[str]] = []
    scores = iter([0.5, 0.7, 0.6])

    def score(job: tuning.Job, changes: list[str], place: Path) -> float:
        rows = [*job.split.train, *job.split.test, *job.split.valid]
        used.append({job.clips.hashes[row] for row in rows})
        return next(scores)

    monkeypatch.setattr(tuning, "_score", score)
    options = {"settings": TINY}
    found = earmark.tune(tones, tmp_path / "out", trials=3, search=["lr", "n_mels"], **GROUPS, **options)
    result = earmark.train(tones, tmp_path / "model", **GROUPS, **options)
    tested = pd.read_csv(result.path / "predictions.csv")["path"]
    from earmark.data.cache import content_hash

    assert not used[0] & {content_hash(tones / path) for path in tested}
    assert all(hashes == used[0] for hashes in used)
    assert (found.score, found.first, found.trials) == (0.7, 0.5, 3)
    table = pd.read_csv(tmp_path / "out" / "trials.csv")
    assert table["score"].tolist() == [0.5, 0.7, 0.6]
    assert (table["lr"][0], table["n_mels"][0]) == (pytest.approx(3e-3), 32)  # the recipe as it is comes first
    written = recipe.load(str(tmp_path / "out" / "tuned.toml"))
    assert written.lr == pytest.approx(found.best["lr"]) and written.n_mels == found.best["n_mels"]
    assert written.width == 0.5  # what was set stays set
    assert tomllib.loads((tmp_path / "out" / "tuned.toml").read_text())["epochs"] == 10


def test_an_interrupted_search_goes_on(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def score(job: tuning.Job, changes: list[str], place: Path) -> float:
        done.append(tuple(changes))
        if len(done) == 3:
            raise KeyboardInterrupt
        return float(len(done))

    monkeypatch.setattr(tuning, "_score", score)
    options = {"settings": TINY}
    with pytest.raises(earmark.Interrupted, match="holds the 2 trials done: run it again with resume=True"):
        earmark.tune(tones, tmp_path / "out", trials=4, search=["lr"], **GROUPS, **options)
    again = {"settings": TINY, "resume": True}
    with pytest.raises(earmark.OutputError, match="had other data or settings"):
        earmark.tune(tones, tmp_path / "out", trials=4, search=["mixup"], **GROUPS, **again)
    found = earmark.tune(tones, tmp_path / "out", trials=4, search=["lr"], **GROUPS, **again)
    assert found.trials == 4  # the broken-off one does not count
    assert len(done) == 5


def test_a_search_that_goes_on_draws_what_an_unbroken_one_draws(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, ...]] = []

    def score(job: tuning.Job, changes: list[str], place: Path) -> float:
        if tmp_path / "broken.partial" in place.parents and len(done) == 8:
            done.append(())
            raise KeyboardInterrupt
        done.append(tuple(changes))
        return len(done) % 5 / 5

    monkeypatch.setattr(tuning, "_score", score)
    call = {"trials": 5, "search": ["lr", "mixup", "n_mels"], **GROUPS}
    options = {"settings": [*TINY, "mixup=0"]}
    earmark.tune(tones, tmp_path / "whole", **options, **call)
    with pytest.raises(earmark.Interrupted):
        earmark.tune(tones, tmp_path / "broken", **options, **call)
    again = {"settings": [*TINY, "mixup=0"], "resume": True}
    earmark.tune(tones, tmp_path / "broken", **again, **call)
    assert done[:5] == [x for x in done[5:] if x]
    assert len(set(done[:5])) == 5
    assert "mixup=0.0" in done[0]  # the recipe's own, though a logarithmic scale has no 0
    assert pd.read_csv(tmp_path / "broken" / "trials.csv")["trial"].tolist() == [1, 2, 3, 4, 5]


def test_early_stopping_has_clips_of_its_own(tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def score(job: tuning.Job, changes: list[str], place: Path) -> float:
        assert len(job.split.valid) and not set(job.split.valid) & {*job.split.train, *job.split.test}
        return 0.5

    monkeypatch.setattr(tuning, "_score", score)
    options = {"settings": [*TINY, "patience=3"]}
    earmark.tune(tones, tmp_path / "out", trials=2, search=["lr"], **GROUPS, **options)


def test_the_recipe_as_it_is_comes_first_also_after_an_interruption(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[tuple[str, ...]] = []

    def score(job: tuning.Job, changes: list[str], place: Path) -> float:
        done.append(tuple(changes))
        if len(done) == 1:
            raise KeyboardInterrupt
        return 0.25 * len(done)

    monkeypatch.setattr(tuning, "_score", score)
    call = {"trials": 2, "search": ["lr"], **GROUPS}
    with pytest.raises(earmark.Interrupted):
        earmark.tune(tones, tmp_path / "out", settings=TINY, **call)
    again = {"settings": TINY, "resume": True}
    found = earmark.tune(tones, tmp_path / "out", **again, **call)
    assert done[0] == done[1] == ("lr=0.003",)
    assert (found.first, found.trials) == (0.5, 2)
    assert not (tmp_path / "out.partial").exists()


def test_trials_really_train(run: Callable[..., Run], tones: Path, tmp_path: Path) -> None:
    changes = [word for change in QUICK for word in ("--set", change)]
    made = run(
        "tune", tones, "--out", tmp_path / "out", "--trials", "2", "--search", "lr,fft_seconds", "--group-pattern",
        GROUPS["group_pattern"], "--allow-leak", "--seed", "3", "--per", "group", "--normal", "low", *changes,
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "search    2 trials of about " in made.err and "test later and take no part" in made.err
    again = made.out.splitlines()[-1]
    assert again.startswith(
        f"try       earmark train {tones} --recipe {tmp_path / 'out' / 'tuned.toml'} --group-pattern '"
    )
    assert again.endswith(f"--allow-leak --seed 3 --per group --normal low --out {tmp_path / 'out_model'}")
    assert made.out.startswith("best      ") and "of 2 trials (the recipe as it was: " in made.out
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["study.log", "trials.csv", "tuned.toml"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"search": ["speed"]}, "search is 'speed'; choose among lr, weight_decay"),
        ({"trials": 1}, "trials is 1; give two at least"),
        ({"task": "anomaly"}, "remove task='anomaly' and base=MODEL"),
    ],
)
def test_wrong_calls(tones: Path, tmp_path: Path, words: dict[str, Any], message: str) -> None:
    with pytest.raises(earmark.SettingsError, match=message):
        earmark.tune(tones, tmp_path / "out", **GROUPS, **words)
    assert not list(tmp_path.iterdir())


def test_a_trial_that_a_killed_search_left_changes_nothing(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import optuna

    drawn: dict[str, list[tuple[str, ...]]] = {"whole": [], "killed": []}

    def score(job: tuning.Job, changes: list[str], place: Path) -> float:
        done = drawn[place.parent.name.removesuffix(".partial")]
        if place.parent.name.startswith("killed") and len(done) == 12:
            done.append(("again",))
            study = tuning._study(optuna, place.parent)
            study.ask({"lr": optuna.distributions.FloatDistribution(5e-4, 1e-2, log=True)})  # goes on running for ever
            raise KeyboardInterrupt
        done.append(tuple(changes))
        return float(changes[0].partition("=")[2]) % 1e-3

    monkeypatch.setattr(tuning, "_score", score)
    call = {"trials": 16, "search": ["lr"], **GROUPS}
    earmark.tune(tones, tmp_path / "whole", settings=TINY, **call)
    with pytest.raises(earmark.Interrupted):
        earmark.tune(tones, tmp_path / "killed", settings=TINY, **call)
    earmark.tune(tones, tmp_path / "killed", settings=TINY, resume=True, **call)
    assert [x for x in drawn["killed"] if x != ("again",)] == drawn["whole"]


def test_trials_take_the_rate_that_the_clips_were_decoded_at(
    tones: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[int] = []

    def spec(manifest: Any, chosen: Any, **options: Any) -> Any:
        rates.append(chosen.sample_rate)
        return make_spec(manifest, chosen, **options)

    make_spec = tuning.make_spec
    monkeypatch.setattr(tuning, "make_spec", spec)
    options = {"settings": [*TINY, "epochs=1"], "seed": 2**32 - 1}
    earmark.tune(tones, tmp_path / "out", trials=2, search=["lr"], **GROUPS, **options)
    assert rates == [8_000, 8_000]
