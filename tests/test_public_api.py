"""What `import runpodkit` gives, and what it costs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import runpodkit

PUBLIC = [
    "Endpoint", "Grid", "ImageParams", "Kit", "Picture", "Run", "Sweep", "connect", "dialects", "generate_image_async",
    "grid", "latin", "open_run", "permutations", "random", "rank", "read_metadata", "replace", "seeds", "sweep",
]  # fmt: skip
HEAVY = [
    "IPython", "PIL", "aiohttp", "boto3", "celery", "httpx", "ipywidgets", "kombu", "numpy", "pandas", "pydantic",
    "redis", "starlette", "tqdm", "uvicorn",
]  # fmt: skip


def said(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_the_public_names_are_these_and_no_others() -> None:
    assert runpodkit.__all__ == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_there_and_says_what_it_is(name: str) -> None:
    thing = getattr(runpodkit, name)

    assert thing.__doc__
    assert name in dir(runpodkit)
    assert getattr(runpodkit, name) is thing


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import sys, runpodkit; print([name for name in {HEAVY} if name in sys.modules])"

    assert said(code) == "[]"


def test_importing_the_package_starts_nothing_and_reads_no_settings() -> None:
    code = "import threading, sys, runpodkit; print(threading.active_count(), 'runpodkit.settings' in sys.modules)"

    assert said(code) == "1 False"


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'runpodkit' has no attribute 'conect'"):
        _ = runpodkit.conect


def test_parameters_alone_load_neither_network_nor_pictures() -> None:
    heavy = [name for name in HEAVY if name != "pydantic"]
    code = f"import sys, runpodkit; runpodkit.ImageParams; print([name for name in {heavy} if name in sys.modules])"

    assert said(code) == "[]"


def test_the_version_can_be_asked_for() -> None:
    assert runpodkit.__version__.count(".") == 2


def test_nothing_inside_imports_through_the_package_root() -> None:
    through_root = re.compile(r"^\s*(from runpodkit import|import runpodkit$|from \.+ import)", re.MULTILINE)
    package = Path(runpodkit.__file__).parent
    found = [str(file.relative_to(package)) for file in package.rglob("*.py") if through_root.search(file.read_text())]

    assert found == []
