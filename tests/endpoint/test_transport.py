"""The door to the network over real sockets: which failures leave a job that may exist, and what is repeated."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from runpodkit.endpoint.client import Endpoint
from runpodkit.endpoint.transport import excerpt
from runpodkit.errors import (
    ApiError,
    AuthError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    RunpodkitError,
    ServerError,
    TransportError,
)
from tests.endpoint.conftest import closes, half, resets, says

KEY = "rpa_made_up_for_tests"
QUEUED = '{"id":"job-1","status":"IN_QUEUE"}'
DONE = '{"id":"job-1","status":"COMPLETED","output":{}}'


class Naps:
    """Sleeps that take no time, written down."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


async def test_a_refused_connection_was_certainly_not_accepted() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async with Endpoint(f"http://127.0.0.1:{port}/v2/local", KEY) as endpoint:
        with pytest.raises(TransportError) as told:
            await endpoint.submit({"prompt": "a pier"})

    assert told.value.may_be_accepted is False


@pytest.mark.parametrize("failure", [closes, resets, half])
async def test_a_lost_answer_to_a_submission_is_doubtful_and_never_repeated(
    raw_server: Callable[..., Any], failure: Any
) -> None:
    async with raw_server(failure) as raw, Endpoint(raw.url, KEY) as endpoint:
        with pytest.raises(TransportError) as told:
            await endpoint.submit({"prompt": "a pier"})

    assert told.value.may_be_accepted is True
    assert len(raw.requests) == 1


async def test_silence_is_doubtful(raw_server: Callable[..., Any]) -> None:
    hang_up = asyncio.Event()

    async def silence(_: asyncio.StreamWriter) -> None:
        await hang_up.wait()

    async with raw_server(silence) as raw, Endpoint(raw.url, KEY, timeout_s=0.3) as endpoint:
        with pytest.raises(TransportError) as told:
            await endpoint.submit({"prompt": "a pier"})
        hang_up.set()

    assert told.value.may_be_accepted is True


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", ApiError),
        ("401 Unauthorized", AuthError),
        ("403 Forbidden", AuthError),
        ("404 Not Found", NotFoundError),
        ("405 Method Not Allowed", ApiError),
        ("413 Payload Too Large", ApiError),
        ("422 Unprocessable Entity", ApiError),
        ("500 Internal Server Error", ServerError),
        ("502 Bad Gateway", ServerError),
    ],
)
async def test_a_refused_submission_is_told_by_its_status_and_not_repeated(
    raw_server: Callable[..., Any], status: str, kind: type[ApiError]
) -> None:
    async with raw_server(says(status, "no")) as raw, Endpoint(raw.url, KEY) as endpoint:
        with pytest.raises(kind) as told:
            await endpoint.submit({"prompt": "a pier"})

    assert type(told.value) is kind
    assert told.value.status_code == int(status[:3])
    assert len(raw.requests) == 1


async def test_a_submission_is_sent_again_only_after_a_429_which_says_that_it_was_not_taken(
    raw_server: Callable[..., Any],
) -> None:
    naps = Naps()
    busy = says("429 Too Many Requests", "slow down", Retry_After="3")
    async with raw_server(busy, busy, says("200 OK", QUEUED)) as raw, Endpoint(raw.url, KEY, sleep=naps) as endpoint:
        job = await endpoint.submit({"prompt": "a pier"})

    assert job.id == "job-1"
    assert naps.taken == [3.0, 3.0]
    assert len(raw.requests) == 3


async def test_a_submission_that_is_refused_for_too_long_is_given_up(raw_server: Callable[..., Any]) -> None:
    busy = says("429 Too Many Requests", "slow down", Retry_After="20")
    async with raw_server(busy) as raw, Endpoint(raw.url, KEY, sleep=Naps()) as endpoint:
        with pytest.raises(RateLimitError):
            await endpoint.submit({"prompt": "a pier"})

    assert len(raw.requests) <= 6


async def test_a_cancel_is_safe_to_repeat_and_is_repeated(raw_server: Callable[..., Any]) -> None:
    done = says("200 OK", '{"id":"job-1","status":"CANCELLED"}')
    async with raw_server(closes, done) as raw, Endpoint(raw.url, KEY, sleep=Naps()) as endpoint:
        assert (await endpoint.cancel("job-1")).status == "CANCELLED"

    assert len(raw.requests) == 2


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", '{"id":7,"status":"IN_QUEUE"}', '{"id":"../x","status":"IN_QUEUE"}', "<p>"]
)
async def test_an_accepted_submission_without_a_usable_id_cannot_be_read(
    raw_server: Callable[..., Any], body: str
) -> None:
    async with raw_server(says("200 OK", body)) as raw, Endpoint(raw.url, KEY) as endpoint:
        with pytest.raises(ProtocolError):
            await endpoint.submit({"prompt": "a pier"})

    assert len(raw.requests) == 1


async def test_a_status_is_asked_again_through_passing_trouble(raw_server: Callable[..., Any]) -> None:
    naps = Naps()
    trouble = [
        says("502 Bad Gateway", "<html><h1>Bad gateway</h1></html>"),
        says("429 Too Many Requests", "slow down", Retry_After="3"),
        closes,
        says("200 OK", DONE),
    ]

    async with raw_server(*trouble) as raw, Endpoint(raw.url, KEY, sleep=naps) as endpoint:
        job = await endpoint.status("job-1")

    assert job.status == "COMPLETED"
    assert len(raw.requests) == 4
    assert naps.taken[1] == 3.0
    assert all(0 <= nap <= 8 for nap in naps.taken)


async def test_a_status_is_not_asked_for_ever(raw_server: Callable[..., Any]) -> None:
    naps = Naps()
    async with raw_server(says("503 Service Unavailable")) as raw, Endpoint(raw.url, KEY, sleep=naps) as endpoint:
        with pytest.raises(ServerError):
            await endpoint.status("job-1")

    assert len(raw.requests) == 6


async def test_a_redirect_is_not_followed(raw_server: Callable[..., Any]) -> None:
    async with raw_server(says("200 OK", DONE)) as other:
        moved = says("302 Found", "", Location=f"{other.url}/status/job-1")
        async with raw_server(moved) as raw, Endpoint(raw.url, KEY) as endpoint:
            with pytest.raises(RunpodkitError):
                await endpoint.status("job-1")

    assert other.requests == []


async def test_the_key_goes_into_one_header_and_into_no_error(raw_server: Callable[..., Any]) -> None:
    echoed = says("401 Unauthorized", f'{{"error":"bad key {KEY}"}}')
    async with raw_server(echoed) as raw, Endpoint(raw.url, KEY) as endpoint:
        with pytest.raises(AuthError) as told:
            await endpoint.submit({"prompt": "a pier"})

    assert raw.requests[0].count(KEY.encode()) == 1
    assert f"authorization: bearer {KEY}".encode() in raw.requests[0].lower()
    assert "check RUNPOD_API_KEY" in str(told.value)
    assert KEY not in repr(endpoint) + str(told.value)


async def test_an_answer_over_the_bound_is_refused_while_it_streams(raw_server: Callable[..., Any]) -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 80000000\r\n\r\n")
        for _ in range(80):
            writer.write(bytes(1_000_000))
            await writer.drain()

    async with raw_server(endless) as raw, Endpoint(raw.url, KEY) as endpoint:
        with pytest.raises(ProtocolError, match="larger than 64 MiB"):
            await endpoint.status("job-1")


def test_one_endpoint_serves_two_loops(raw_server: Callable[..., Any]) -> None:
    endpoint_of: list[Endpoint] = []

    async def ask(url: str) -> str:
        if not endpoint_of:
            endpoint_of.append(Endpoint(url, KEY))
        try:
            return (await endpoint_of[0].status("job-1")).wire_status
        finally:
            await endpoint_of[0].aclose()

    async def one() -> str:
        async with raw_server(says("200 OK", DONE)) as raw:
            here = await ask(raw.url)
            there = await asyncio.to_thread(lambda: asyncio.run(ask(raw.url)))
            return here + there

    assert asyncio.run(one()) == "COMPLETEDCOMPLETED"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error":"no \\"such\\" job"}', 'no \\"such\\" job'),
        (b"<html><style>p{}</style><h1>502</h1>\n<p>Bad&nbsp;gateway</p></html>", "502 Bad gateway"),
        (b"x" * 500, "x" * 199 + "…"),
        (b"", ""),
    ],
)
def test_a_refusal_is_shown_as_a_person_reads_it(body: bytes, said: str) -> None:
    assert excerpt(body) == said
