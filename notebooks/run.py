"""Run the notebooks from a clean kernel and store them with their outputs: ``python notebooks/run.py``."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

HERE = Path(__file__).parent
CELL_SECONDS = 120


def execute(path: Path, folder: Path) -> nbformat.NotebookNode:
    """Return the notebook with fresh outputs, executed in ``folder`` by a kernel of this Python.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        Where a cell raises an error.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # No folders: a kernel named python3 that the user has installed could run another Python.
    kernels = KernelSpecManager(kernel_dirs=[])
    client = NotebookClient(
        notebook,
        km=AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels),
        timeout=CELL_SECONDS,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    # The user's IPython profile must not change what a reader sees.
    client.execute(env=os.environ | {"IPYTHONDIR": str(folder / "ipython")})
    notebook.metadata["language_info"] = {"name": "python"}  # not the version of this Python
    return notebook


def main() -> None:
    """Execute the notebooks of the given names, or all of them, and store them."""
    parser = argparse.ArgumentParser(description="Run the notebooks and store them with their outputs.")
    parser.add_argument("names", nargs="*", help="Names of notebooks. Default: all.")
    parser.add_argument("--out", type=Path, default=HERE, help="Folder that takes the notebooks. Default: their own.")
    options = parser.parse_args()
    for name in [Path(name).stem for name in options.names] or sorted(path.stem for path in HERE.glob("*.ipynb")):
        begin, target = time.monotonic(), options.out / f"{name}.ipynb"
        with tempfile.TemporaryDirectory() as folder:
            nbformat.write(execute(HERE / f"{name}.ipynb", Path(folder)), target)
        print(f"{target.name}  {time.monotonic() - begin:.0f} s, {target.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
