"""Broken answers: always a value or a typed error that names job and cause; never a hang, never another exception."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.endpoint.client import Endpoint
from runpodkit.endpoint.dialects.reading import read_output
from runpodkit.errors import ProtocolError, RunpodkitError
from runpodkit.images.outputs import fetch_image
from runpodkit.jobs import Health, Job, JobStatus, read_stream
from runpodkit.reprs import plain
from tests.endpoint.broken_answers import corpus
from tests.endpoint.conftest import Hours, closes, says

KEY = "rpa_made_up_for_tests"
CORPUS = corpus()
A_CUT = next(name for name in CORPUS if name.startswith("cut after 2"))


def check(error: RunpodkitError, about: str = "") -> None:
    """One line that a terminal can show, without a secret, naming what it is about."""
    text = str(error)
    assert 0 < len(text) <= 500
    assert "\n" not in text
    assert KEY not in text
    assert "secret" not in text
    assert about in text
    assert text.encode()


def test_there_are_over_two_hundred_of_them() -> None:
    assert len(CORPUS) >= 200


@pytest.mark.parametrize("name", CORPUS)
async def test_every_broken_answer_ends_in_a_value_or_a_clear_error(name: str) -> None:
    answer = CORPUS[name]
    for read in (Health.from_wire, lambda given: read_stream(given, "job-1")):
        try:
            read(answer)
        except ProtocolError as exc:
            check(exc)
    try:
        job = Job.from_wire(answer)
    except ProtocolError as exc:
        check(exc)
        return
    assert job.reason
    assert "\n" not in job.reason
    assert job.reason.encode()
    reading = read_output(job.output)
    assert bool(reading.images) != bool(reading.error)
    for image in reading.images[:3]:
        if image.kind == "url" and "example.org" in image.value:
            continue  # nothing of a test leaves this machine
        try:
            await fetch_image(image, endpoint_host="127.0.0.1:9", timeout_s=2)
        except RunpodkitError as exc:
            check(exc)


async def test_over_a_socket_each_is_told_with_its_job_or_read(raw_server: Callable[..., Any]) -> None:
    chosen = [answer for name, answer in CORPUS.items() if len(answer) < 200_000]
    async with raw_server(*(says("200 OK", answer) for answer in chosen)) as raw, Endpoint(raw.url, KEY) as endpoint:
        for _ in chosen:
            try:
                assert isinstance(await endpoint.status("job-1"), Job)
            except ProtocolError as exc:
                check(exc, "job-1")

    assert len(raw.requests) == len(chosen)


def wire(text: bytes) -> Any:
    """Bytes as they are, and then nothing."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return answer


BODY = b'{"id":"job-1","status":"IN_QUEUE"}'
BOMB = gzip.compress(bytes(200 * 2**20), 9)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + BODY, id="length too long"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n" + BODY, id="length too short"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\n" + BODY, id="length below zero"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n" + BODY, id="length no number"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n22\r\n" + BODY[:9], id="chunk cut"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY, id="chunk no number"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 34\r\n\r\n" + BODY, id="no gzip"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(BOMB)
            + BOMB,
            id="gzip bomb",
        ),
        pytest.param(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", id="no content"),
        pytest.param(b"HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\nContent-Length: 0\r\n\r\n", id="redirect"),
        pytest.param(b"HTTP/1.1 999 What\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", id="unknown code"),
        pytest.param(b"HTTP/9.9 200 OK\r\n\r\n", id="unknown version"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
        pytest.param(b"\x16\x03\x01\x00\x05hello", id="TLS"),
        pytest.param(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n", id="endless header"),
        pytest.param(b"", id="nothing"),
    ],
)  # fmt: skip
async def test_broken_transport_is_a_typed_error_and_nothing_is_followed(
    raw_server: Callable[..., Any], text: bytes
) -> None:
    clock = Hours()
    async with raw_server(wire(text)) as raw, Endpoint(raw.url, KEY, clock=clock, sleep=clock.sleep) as endpoint:
        async with asyncio.timeout(30):
            with pytest.raises(RunpodkitError) as told:
                await endpoint.status("job-1")

    check(told.value)


async def test_a_service_that_drips_is_given_up(raw_server: Callable[..., Any]) -> None:
    async def drips(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n")
        await asyncio.sleep(3)

    clock = Hours()
    async with (
        raw_server(drips, closes) as raw,
        Endpoint(raw.url, KEY, timeout_s=0.1, clock=clock, sleep=clock.sleep) as endpoint,
        asyncio.timeout(20),
    ):
        with pytest.raises(RunpodkitError, match="no answer"):
            await endpoint.status("job-1")


def test_memory_is_bounded_whatever_comes() -> None:
    code = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from tests.endpoint.broken_answers import corpus
from runpodkit.endpoint.dialects.reading import read_output
from runpodkit.errors import RunpodkitError
from runpodkit.jobs import Job
answers = {name: answer for name, answer in corpus().items() if len(answer) > 1_000_000}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for answer in answers.values():
    try:
        read_output(Job.from_wire(answer).output)
    except RunpodkitError:
        pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    root = str(__file__).rpartition("/tests/")[0]
    done = subprocess.run([sys.executable, "-c", code, root], capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 400  # MiB beyond the answers themselves, the largest of which has 50


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=12), inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(given=ANYTHING, status=st.text(min_size=1, max_size=20))
def test_anything_json_can_say_is_a_job_or_a_protocol_error(given: Any, status: str) -> None:
    for answer in (given, {"id": "job-1", "status": status, "output": given, "error": given, "delayTime": given}):
        try:
            job = Job.from_wire(json.dumps(answer))
        except ProtocolError as exc:
            check(exc)
            continue
        assert job.reason.encode()
        read_output(job.output)


@settings(max_examples=200, deadline=None)
@given(st.text(min_size=1, max_size=30).filter(lambda text: text not in JobStatus.__members__))
def test_a_status_of_the_future_ends_nothing_and_is_kept(status: str) -> None:
    job = Job.from_wire(json.dumps({"id": "job-1", "status": status}))

    assert not job.status.is_final
    assert job.wire_status == plain(status.encode("utf-8", "replace").decode())


@pytest.mark.parametrize("name", ["html", A_CUT, "every byte", "plain text", "900 lists deep", "50 MB of nothing"])
async def test_the_command_line_tells_it_in_one_line_and_never_with_a_stack_trace(
    raw_server: Callable[..., Any], name: str, tmp_path: Path
) -> None:
    async with raw_server(says("200 OK", CORPUS[name])) as raw:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runpodkit", "login", "--url", raw.url,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=tmp_path,
        )  # fmt: skip
        async with asyncio.timeout(60):
            said, aside = await process.communicate(f"{KEY}\n".encode())

    assert process.returncode == 1
    assert said.decode().startswith("FAIL endpoint: ")
    assert len(said.splitlines()) == 1
    assert b"Traceback" not in said + aside
