"""Webhooks: the product sends an address along and takes no call itself; the stand-in calls what its key's owner names."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

import runpodkit
from runpodkit.endpoint.client import Endpoint
from runpodkit.simulator.webhooks import Webhooks

LISTENERS = ("uvicorn", "starlette", "fastapi", "flask", "aiohttp.web", "http.server", "socketserver", "tornado")


def test_nothing_but_the_simulator_takes_calls() -> None:
    """A receiver without a secret would let anybody end a job with a picture of their own: none is offered at all."""
    root = Path(runpodkit.__file__).parent
    found = set()
    for path in root.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name == each or name.startswith(f"{each}.") for name in names for each in LISTENERS):
                found.add(path.relative_to(root).parts[0])
    assert found == {"simulator"}


@pytest.mark.parametrize(
    "address", ["ftp://a.example/x", "file:///etc/passwd", "javascript:alert(1)", "//a.example/x", "", " https://a"]
)
async def test_an_address_that_no_service_calls_is_refused_before_anything_is_paid(address: str) -> None:
    def never(request: httpx.Request) -> httpx.Response:
        raise AssertionError("it was sent")

    endpoint = Endpoint("https://api.runpod.ai/v2/abcdef", SecretStr("made-up"), http=httpx.MockTransport(never))
    with pytest.raises(ValueError, match="webhook is not an http"):
        await endpoint.submit({"prompt": "x"}, webhook=address)


async def test_the_stand_in_follows_no_redirect_and_sends_nothing_of_its_own() -> None:
    seen: list[httpx.Request] = []

    def moved(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(307, headers={"Location": "http://169.254.169.254/latest"})

    async def at_once(_: float) -> None:
        pass

    webhooks = Webhooks(http=httpx.MockTransport(moved), sleep=at_once)
    await webhooks._deliver("https://a.example/done?token=t", b"{}")

    assert {str(request.url) for request in seen} == {"https://a.example/done?token=t"}
    assert not any(re.search("authorization|cookie|token", name, re.IGNORECASE) for name in seen[0].headers)
