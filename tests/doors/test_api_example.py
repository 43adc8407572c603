"""The API example in front of web pages: what another site, or another name of this machine, asks for is refused."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path
from typing import Any

import httpx
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_app.py"


@pytest.fixture(scope="module")
def app() -> Any:
    """The application alone: no Redis is there to be asked."""
    spec = importlib.util.spec_from_file_location("fastapi_app_at_the_door", EXAMPLE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.app


def answer(app: Any, path: str, *, method: str = "POST", **headers: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000") as http:
            return await http.request(
                method, path, headers={name.replace("_", "-"): text for name, text in headers.items()}
            )

    return asyncio.run(ask())


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything else"])
def test_a_page_of_another_site_asks_for_no_picture(app: Any, site: str) -> None:
    refused = answer(app, "/generate?prompt=a+pier", sec_fetch_site=site)

    assert refused.status_code == 403
    assert "another site" in refused.json()["detail"]


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_page_of_its_own_is_heard(app: Any, site: str) -> None:
    """As far as to what it asks, which is wrong here, so that nothing is sent."""
    assert answer(app, "/generate?prompt=", sec_fetch_site=site).status_code == 422


@pytest.mark.parametrize("path", ["/generate?prompt=a+pier", "/status/abc", "/events/abc", "/docs"])
def test_a_name_that_somebody_pointed_to_this_machine_is_refused(app: Any, path: str) -> None:
    method = "POST" if path.startswith("/generate") else "GET"

    assert answer(app, path, method=method, host="rebound.example").status_code == 400
