"""One stack of stand-ins for all pages: what one page has drawn costs the next nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runpodkit import stack
from runpodkit.settings import Settings


@pytest.fixture(scope="session")
def readers_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A RUNPODKIT_HOME whose stack ends with the session."""
    home = tmp_path_factory.mktemp("readers") / "home"
    yield home
    stack.down(Settings.load(home.parent, RUNPODKIT_HOME=home))
