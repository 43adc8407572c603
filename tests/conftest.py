"""What every test stands on: no setting of the person who runs them reaches a test, and async means asyncio."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

# How long an example takes depends on what else the machine does, and how many are filtered out on chance.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
hypothesis_settings.load_profile("any machine")

_SETTINGS = ("RUNPOD", "YANDEX_", "S3_", "REDIS_URL")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _nothing_is_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No key, no Redis, no bucket, no `.env`; a home of its own for each test."""
    for name in list(os.environ):
        if name.startswith(_SETTINGS):
            monkeypatch.delenv(name)
    monkeypatch.setenv("RUNPODKIT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
