"""Run notebooks from top to bottom on the stand-ins and save them executed: python notebooks/save.py [FILE …]

In a RUNPODKIT_HOME of their own, so that what is saved is what a first reader sees; without
widget state, times and versions, so that a second run changes nothing but what has changed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

HERE = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def save(path: Path) -> None:
    """Execute one notebook and write it back."""
    notebook = nbformat.read(path, as_version=4)
    # over TCP a kernel warns in the first output
    manager = AsyncKernelManager(transport="ipc", ip=str(Path(os.environ["RUNPODKIT_HOME"]).parent / "kernel"))
    where = {"metadata": {"path": str(HERE)}}
    NotebookClient(
        notebook, km=manager, timeout=120, store_widget_state=False, record_timing=False, resources=where
    ).execute()
    notebook.metadata = nbformat.from_dict(METADATA)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
    nbformat.write(notebook, path)
    print(f"{path.name}: {path.stat().st_size // 1000} kB")


def main() -> None:
    """Execute the notebooks named, or all."""
    kept = {name for name in os.environ if name.startswith(("RUNPOD", "YANDEX_", "S3_", "REDIS_URL"))}
    for name in kept:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as box:
        os.environ["RUNPODKIT_HOME"] = str(Path(box) / "home")
        try:
            for path in map(Path, sys.argv[1:] or sorted(map(str, HERE.glob("*.ipynb")))):
                save(path)
        finally:
            subprocess.run([sys.executable, "-m", "runpodkit", "stack", "down"], check=False, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
