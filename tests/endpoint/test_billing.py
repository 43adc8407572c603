"""Billing: what is asked of whom with which key, and what an answer means."""

from __future__ import annotations

import httpx
import pytest
from pydantic import SecretStr

from runpodkit.endpoint.billing import Billing, Hour
from runpodkit.errors import AuthError, ProtocolError
from runpodkit.settings import EndpointAddress
from runpodkit.simulator.app import Simulator

KEY = SecretStr("rpa_made_up_for_tests")
ELEVEN = 1_764_500_400.0  # 2025-11-30 11:00 UTC
RECORD = {
    "startTime": "2025-11-30T11:00:00Z",
    "endTime": "2025-11-30T12:00:00Z",
    "serverlessId": "abc123",
    "totalAmount": 8.9,
    "gpuAmount": 7.5,
    "cpuAmount": 0,
    "diskAmount": 0.4,
    "feeAmount": 1.0,
}
"""Amounts as in the documentation's example."""


def answering(response: httpx.Response, seen: list[httpx.Request]) -> httpx.MockTransport:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return response

    return httpx.MockTransport(answer)


async def test_whole_hours_of_one_endpoint_are_asked_for() -> None:
    seen: list[httpx.Request] = []
    address = EndpointAddress("https://api.runpod.ai/v2/abc123", KEY)
    assert address.billing_url is not None
    service = Billing(address.billing_url, KEY, http=answering(httpx.Response(200, json={"records": [RECORD]}), seen))

    hours = await service.hours("abc123", ELEVEN + 600, ELEVEN + 1200)
    await service.aclose()

    assert hours == [Hour(ELEVEN, ELEVEN + 3600, 8.9, 1.4)]
    (request,) = seen
    assert str(request.url) == (
        "https://api.runpod.io/v2/billing/serverless?bucketSize=hour&startTime=2025-11-30T11%3A00%3A00Z"
        "&endTime=2025-11-30T12%3A00%3A00Z&serverlessId=abc123"
    )
    assert request.headers["authorization"] == f"Bearer {KEY.get_secret_value()}"


async def test_public_endpoints_have_one_bill_together() -> None:
    seen: list[httpx.Request] = []
    record = {name: RECORD[name] for name in ("startTime", "endTime", "totalAmount")}
    service = Billing(
        "https://x/v2/billing", KEY, http=answering(httpx.Response(200, json={"records": [record]}), seen)
    )

    assert await service.hours(None, ELEVEN, ELEVEN + 1) == [Hour(ELEVEN, ELEVEN + 3600, 8.9, 0.0)]
    assert seen[0].url.path == "/v2/billing/endpoints"
    assert "serverlessId" not in seen[0].url.params


@pytest.mark.parametrize("code", [401, 403])
async def test_a_key_that_may_not_read_billing_says_what_it_would_need(code: int) -> None:
    problem = {"title": "Forbidden", "status": code, "detail": "access denied"}
    service = Billing("https://x/v2/billing", KEY, http=answering(httpx.Response(code, json=problem), []))

    with pytest.raises(AuthError, match=r"the key may not read billing: in the RunPod console, Settings, API keys"):
        await service.hours("abc123", ELEVEN, ELEVEN + 1)


@pytest.mark.parametrize("body", ["<html>", "[]", '{"records": [{}]}', '{"records": [{"startTime": "soon"}]}', "null"])
async def test_an_answer_that_is_no_bill_is_told(body: str) -> None:
    service = Billing("https://x/v2/billing", KEY, http=answering(httpx.Response(200, text=body), []))

    with pytest.raises(ProtocolError, match=r"GET billing/serverless: the answer cannot be read"):
        await service.hours("abc123", ELEVEN, ELEVEN + 1)


async def test_the_simulator_answers_as_the_service_does() -> None:
    simulator = Simulator(endpoint_id="local", api_key=KEY.get_secret_value(), workers=1, wall=lambda: ELEVEN + 60)
    transport = httpx.ASGITransport(simulator.app())
    service = Billing("http://127.0.0.1/v2/billing", KEY, http=transport)
    wrong = Billing("http://127.0.0.1/v2/billing", SecretStr("rpa_another"), http=transport)

    assert await service.hours("local", ELEVEN, ELEVEN + 60) == []
    with pytest.raises(AuthError):
        await wrong.hours("local", ELEVEN, ELEVEN + 60)
