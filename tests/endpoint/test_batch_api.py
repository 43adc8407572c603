"""The batch API over real sockets: what is sent, split and read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from runpodkit.endpoint.batch_api import MAX_CALL_BYTES, BatchSummary
from runpodkit.endpoint.client import Endpoint
from runpodkit.errors import ProtocolError
from tests.endpoint.conftest import says

KEY = "rpa_made_up_for_tests"
DRAFT = '{"id":"b-1","status":"DRAFT","requestTotal":2,"createdAt":1760000000000}'


def sent(raw: Any) -> list[tuple[str, Any]]:
    """First line and body of each request."""
    parts = [request.split(b"\r\n\r\n", 1) for request in raw.requests]
    return [(head.split(b" HTTP")[0].decode(), json.loads(body) if body else None) for head, body in parts]


async def test_a_batch_is_created_finalized_and_read_page_by_page(raw_server: Callable[..., Any]) -> None:
    rows = [{"id": f"r-{i}", "status": "COMPLETED", "output": {"n": i}, "startedAt": 1000, "completedAt": 2500} for i in range(3)]  # fmt: skip
    answers = [
        says("200 OK", DRAFT),
        says("200 OK", '{"id":"b-1","status":"FINALIZED","requestTotal":3,"requestCompleted":2,"requestFailed":1}'),
        says("200 OK", json.dumps({"requests": rows[:2], "total": 3, "hasMore": True})),
        says("200 OK", json.dumps({"requests": rows[2:], "total": 3, "hasMore": False})),
    ]
    async with raw_server(*answers) as raw, Endpoint(raw.url, KEY) as endpoint:
        batch = await endpoint.batches.create([{"prompt": "a"}, {"prompt": "b"}])
        final = await endpoint.batches.finalize(batch)
        results = [row async for row in endpoint.batches.results(batch)]

    assert (batch.status, batch.total, batch.created_at_s, batch.is_done) == ("DRAFT", 2, 1_760_000_000.0, False)
    assert final.is_done
    assert [row.job.output for row in results] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert (results[0].started_at_s, results[0].completed_at_s) == (1.0, 2.5)
    assert sent(raw) == [
        ("POST /v2/local/batch", [{"input": {"prompt": "a"}}, {"input": {"prompt": "b"}}]),
        ("POST /v2/local/batch/b-1/finalize", {}),
        ("GET /v2/local/batch/b-1/requests?offset=0&limit=100", None),
        ("GET /v2/local/batch/b-1/requests?offset=2&limit=100", None),
    ]


async def test_inputs_beyond_ten_megabytes_go_in_further_calls(raw_server: Callable[..., Any]) -> None:
    big = {"image": "x" * (4 * 2**20)}
    async with raw_server(says("200 OK", DRAFT)) as raw, Endpoint(raw.url, KEY) as endpoint:
        await endpoint.batches.create([big] * 5)

    assert [len(body) if isinstance(body, list) else len(body["requests"]) for _, body in sent(raw)] == [2, 2, 1]
    assert max(len(request) for request in raw.requests) < MAX_CALL_BYTES + 1000


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([], "0 inputs: a batch takes 1 to 5000"),
        ([{"a": 1}] * 5001, "5001 inputs"),
        ([{"a": 1}, {}], "input 1 is empty"),
        ([{"a": float("nan")}], "input 0 is not what JSON can hold"),
        ([{"a": "x" * (11 * 2**20)}], "input 0 is 11.0 MB, a call takes 10 MB"),
    ],
)
async def test_what_cannot_be_taken_is_refused_before_anything_is_sent(
    raw_server: Callable[..., Any], inputs: list[dict[str, Any]], said: str
) -> None:
    async with raw_server(says("200 OK", DRAFT)) as raw, Endpoint(raw.url, KEY) as endpoint:
        with pytest.raises(ValueError, match="input") as told:
            await endpoint.batches.create(inputs)

    assert said in str(told.value)
    assert raw.requests == []


@pytest.mark.parametrize("body", ["{}", "[]", '{"id":"../x","status":"DRAFT"}', '{"id":"b","status":3}'])
async def test_an_answer_that_names_no_batch_cannot_be_read(raw_server: Callable[..., Any], body: str) -> None:
    async with raw_server(says("200 OK", body)) as raw, Endpoint(raw.url, KEY) as endpoint:
        with pytest.raises(ProtocolError):
            await endpoint.batches.summary(BatchSummary("b-1", "DRAFT"))
