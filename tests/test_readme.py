"""The README's code runs, and what it points to exists."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from conftest import TINY, write_tones
from earmark.audio import synth
from earmark.training import recipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load = recipe.load
    write_tones(tmp_path / "recordings")
    shutil.copy(tmp_path / "recordings" / "low" / "g0_0.wav", tmp_path / "new_recording.wav")
    synth.write_mimii(
        tmp_path / "machines", machines=["fan"], units=(0,), normal=10, abnormal=2, seconds=2.0, snr_db=6.0
    )
    synth.write_watch(tmp_path / "shift.wav", "fan", unit=0, seconds=20.0, snr_db=6.0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipe, "load", lambda name, changes: load(name, changes if name == recipe.DETECTOR else TINY))
    examples = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert examples
    for code in examples:
        exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out.startswith("low ")


def test_commands_exist() -> None:
    from typer.core import TyperGroup
    from typer.main import get_command

    from earmark.cli import app

    group = get_command(app)
    assert isinstance(group, TyperGroup)
    verbs = group.commands
    found = re.findall(r"(?:^|`)earmark (\w+)([^\n`]*)", README, flags=re.MULTILINE)
    assert len(found) >= 6
    for verb, rest in found:
        assert verb in verbs
        for option in re.findall(r"--[\w-]+", rest):
            assert option in {o for p in verbs[verb].params for o in p.opts}


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert (ROOT / target).exists(), target
