"""``earmark doctor``."""

from __future__ import annotations

import os
import shutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from earmark.errors import install_command

_PACKAGES = {
    "base": ("numpy", "soundfile", "soxr", "onnxruntime", "safetensors", "typer", "rich"),
    "train": (
        "torch", "lightning", "scikit-learn", "scipy", "pandas", "pyarrow", "matplotlib", "pillow", "jinja2", "onnx",
        "tensorboard", "pooch",
    ),
    "ffmpeg": ("av",),
    "tune": ("optuna",),
}  # fmt: skip
_PROBE = 1 << 20  # bytes written to the cache to see that they can be
_LITTLE = 50e6  # bytes free, below which a data set hardly decodes
_MODULES = {"scikit-learn": "sklearn", "pillow": "PIL"}


def doctor() -> None:
    """Show what is installed, what decodes and what is missing."""
    import platform

    import typer

    print(
        f"earmark {_version('earmark')}, Python {platform.python_version()}, {platform.platform()}, {os.cpu_count()} cores"
    )
    broken, lacking = 0, set()
    for extra, packages in _PACKAGES.items():
        missing = [p for p in packages if find_spec(_MODULES.get(p, p)) is None]
        present = ", ".join(f"{p} {_version(p)}" for p in packages if p not in missing)
        print(f"\n{extra}: {'all installed' if not missing else 'missing ' + ', '.join(missing)}")
        if present:
            print(f"  {present}")
        if missing:
            lacking.add(extra)
            broken += extra == "base"
            print(f"  run: {install_command(extra) if extra != 'base' else 'pip install ' + ' '.join(missing)}")
    if "base" not in lacking:
        broken += _check_decoding()
    unfit = _check_torchvision()
    if not lacking & {"base", "train"}:
        broken += _check_cache()
    if not lacking & {"base", "train"} and not unfit:
        _check_compute()
    else:
        print("training: not possible as it is, see above")
    broken += unfit
    if broken:
        raise typer.Exit(1)


def _version(package: str) -> str:
    """Version of what is installed; another package may bring the same module."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(of another package)"


def _check_decoding() -> int:
    """Encode and decode a second of sound in each format."""
    import tempfile

    import numpy as np

    from earmark.errors import AudioError

    print("\ndecodes:")
    try:
        from earmark import audio
    except (ImportError, OSError) as error:  # libsndfile is missing, or made for another system
        print(f"  nothing: {error}; run: pip install --force-reinstall soundfile")
        return 1
    tone = np.sin(np.arange(48_000) * 0.05).astype(np.float32)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, file, subtype in (
            ("WAV", "a.wav", "PCM_16"), ("FLAC", "a.flac", "PCM_16"), ("Ogg Vorbis", "v.ogg", "VORBIS"),
            ("Ogg Opus", "o.ogg", "OPUS"), ("MP3", "a.mp3", "MPEG_LAYER_III"), ("AIFF", "a.aiff", "PCM_16"),
        ):  # fmt: skip
            path = Path(folder) / file
            try:
                audio.encode(path, tone, 48_000, subtype=subtype)
                audio.decode(path)
            except AudioError as error:
                failed += 1
                print(f"  {name:11s} NO: {error}; run: pip install --upgrade soundfile")
            else:
                print(f"  {name:11s} yes")
    advice = f"no; run: {install_command('ffmpeg')}"
    print(f"  {'m4a, webm':11s} {'yes' if find_spec('av') else advice}")
    return failed


def _check_torchvision() -> int:
    """A torchvision made for another torch breaks lightning's import."""
    if find_spec("torchvision") is None or find_spec("torch") is None:
        return 0
    try:
        import_module("torchvision")
    except (ImportError, RuntimeError) as error:
        print(f"\ntorchvision does not fit torch and breaks training ({error}); run: pip uninstall torchvision")
        return 1
    return 0


def _check_cache() -> int:
    """Write to the cache as training does, and look at its size."""
    from earmark.data.cache import Index, default_folder, largest_size, usage
    from earmark.errors import EarmarkError
    from earmark.support.files import atomic_file, make_folder

    folder = default_folder()
    elsewhere = "set EARMARK_CACHE to another folder"
    print(f"\ncache: {folder}")
    try:
        most = largest_size()
    except EarmarkError as error:
        print(f"  NO: {error}")
        return 1
    probe = folder / f"doctor-{os.getpid()}.tmp"
    try:
        make_folder(folder)
        with atomic_file(probe, durable=True) as temporary:
            temporary.write_bytes(bytes(_PROBE))
        probe.unlink()
        Index(folder)
        used = usage().bytes
    except (EarmarkError, OSError) as error:
        print(f"  NO: {str(error).rstrip('.')}; or {elsewhere}")
        return 1
    free = shutil.disk_usage(folder).free
    print(f"  {used / 1e9:.2f} of {most / 1e9:.1f} GB used, {free / 1e9:.1f} GB free on the disk")
    if free < _LITTLE:
        print(
            f"  NO: its disk has {free / 1e6:.0f} MB free, too little to decode recordings into; free space, or {elsewhere}"
        )
        return 1
    return 0


def _check_compute() -> None:
    """What training would run on."""
    from earmark.training import fitting, recipe

    device = fitting.resolve_device("auto")
    precision = "bfloat16" if fitting.uses_bf16(recipe.load(), device) else "float32"
    print(f"\ntraining: on {device}, in {precision}")
