from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earmark import layouts, synth


@pytest.mark.parametrize("kind", synth.MACHINES)
def test_machines(kind: str) -> None:
    def make(unit: int, wear: float, seed: int) -> np.ndarray:
        return synth.machine(kind, unit=unit, wear=wear, rng=np.random.default_rng(seed), seconds=1.0)

    assert np.array_equal(make(1, 0.5, 0), make(1, 0.5, 0))
    for other in (make(2, 0.5, 0), make(1, 0.9, 0), make(1, 0.5, 1)):
        assert not np.array_equal(make(1, 0.5, 0), other)
    assert make(1, 0.5, 0).dtype == np.float32
    assert np.abs(make(1, 0.5, 0)).max() == pytest.approx(0.5)
    assert len(make(1, 0.5, 0)) == 16_000


def test_noise_covers_the_machine_at_low_ratios() -> None:
    def wear_changes(snr_db: float) -> float:
        intact, worn = (
            synth.machine("valve", unit=1, wear=w, rng=np.random.default_rng(0), seconds=1.0, snr_db=snr_db)
            for w in (0.0, 1.0)
        )
        high = [np.abs(np.fft.rfft(x))[4500:7000].sum() / np.abs(np.fft.rfft(x)).sum() for x in (intact, worn)]
        return high[1] / high[0]

    assert wear_changes(20) > wear_changes(0) > wear_changes(-20)


def test_data_set(tmp_path: Path) -> None:
    folder = synth.write_machines(tmp_path / "data", units=2, clips=1, seconds=0.5)
    manifest = layouts.find(folder)
    assert manifest.layout == "metadata"
    assert len(manifest) == 16
    assert manifest.labels[:2] == ["fan_intact", "fan_worn"]
    assert manifest.table["group"].nunique() == 8
