"""A kit on real stand-ins, in a home that ends with the session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runpodkit import stack
from runpodkit.connecting import connect
from runpodkit.kit import Kit
from runpodkit.settings import Settings


@pytest.fixture(scope="session")
def notebook_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("notebook") / "home"
    yield home
    stack.down(Settings.load(home.parent, RUNPODKIT_HOME=home))


@pytest.fixture
def kit(notebook_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    monkeypatch.setenv("RUNPODKIT_HOME", str(notebook_home))
    kit = connect(quiet=True, start_worker=False)
    yield kit
    kit.close()
