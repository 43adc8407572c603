"""Notices: each end and each hold is told once, whoever tells it and whatever dies; and functions in the kernel."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runpodkit.blocking import shared_loop
from runpodkit.runs import notices
from runpodkit.runs.ledger import Ledger, RunStatus
from runpodkit.runs.notices import Teller, check_notify, mark_of, message, watch
from runpodkit.runs.rows import RunHead, RunState, TrialState
from runpodkit.runs.run import Run
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep
from tests.runs.kept import head_of
from tests.runs.made_up import kept, record

URL = "https://example.com/hooks/canary-of-a-notice"


class Told:
    """Takes what would be sent."""

    def __init__(self, answer: str | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answer = answer

    async def __call__(self, url: str, told: dict[str, Any]) -> str | None:
        await asyncio.sleep(0.01)
        self.calls.append((url, told))
        return self.answer


def teller(ledger: Ledger, told: Any, **changed: Any) -> Teller:
    async def standing(head: RunHead) -> RunStatus | None:
        return await ledger.status(head.name)

    return Teller(ledger, "store-1", standing, post=told, **changed)


async def entered(ledger: Ledger, name: str = "r") -> RunHead:
    head = head_of(sweep("a mill that nobody may read of", seed=[1, 2]), name)
    await ledger.create(head)
    await ledger.ask_notice(name, URL)
    return head


async def test_an_end_is_told_once_by_however_many(ledger: Ledger) -> None:
    await entered(ledger)
    told = Told()
    tellers = [teller(ledger, told) for _ in range(8)]

    await asyncio.gather(*(one.tell() for one in tellers))
    assert told.calls == []  # it moves
    await ledger.finish("r", RunState.DONE)
    for _ in range(3):
        await asyncio.gather(*(one.tell() for one in tellers))

    ((url, body),) = told.calls
    assert url == URL
    assert (body["run"], body["state"], body["over"], body["trials"]) == ("r", "DONE", True, 2)


async def test_each_hold_for_a_person_is_told_and_then_the_end(ledger: Ledger) -> None:
    await entered(ledger)
    told = Told()
    one = teller(ledger, told)

    for _ in range(2):
        await ledger.set_state("r", RunState.HELD, "budget", hold="person", only_from=[RunState.RUNNING])
        await one.tell()
        await one.tell()
        await ledger.set_state("r", RunState.RUNNING, only_from=[RunState.HELD])
        await one.tell()
    await ledger.finish("r", RunState.CANCELLED)
    await one.tell()

    assert [(body["state"], body["reason"]) for _, body in told.calls] == [
        ("HELD", "budget"),
        ("HELD", "budget"),
        ("CANCELLED", None),
    ]
    assert len({body["id"] for _, body in told.calls}) == 3


async def test_a_hold_that_ends_by_itself_is_told_after_a_minute(ledger: Ledger) -> None:
    await entered(ledger)
    await ledger.set_state("r", RunState.HELD, "endpoint down", hold="probe", only_from=[RunState.RUNNING])
    told = Told()

    await teller(ledger, told).tell()
    assert told.calls == []
    await teller(ledger, told, clock=lambda: time.time() + 61).tell()

    assert [body["goes_on_by_itself"] for _, body in told.calls] == [True]


async def test_what_cannot_be_told_is_not_tried_for_ever_and_stops_no_other(ledger: Ledger) -> None:
    await entered(ledger)
    await entered(ledger, "s")
    for name in ("r", "s"):
        await ledger.finish(name, RunState.DONE)

    class Broken(Told):
        async def __call__(self, url: str, told: dict[str, Any]) -> str | None:
            await super().__call__(url, told)
            return "no answer" if told["run"] == "r" else None

    told = Broken()
    for _ in range(2):
        await teller(ledger, told).tell()

    assert sorted(body["run"] for _, body in told.calls) == ["r", "s"]


async def test_a_teller_that_died_before_it_told_loses_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    await entered(ledger)
    await ledger.finish("r", RunState.DONE)
    status = await ledger.status("r")
    mark = status and mark_of(status, now=0)
    assert mark
    assert await ledger.claim_notice("r", mark, "host:1:old") == URL  # and then it is killed
    told = Told()

    await teller(ledger, told).tell()
    assert told.calls == []  # who knows, it may live
    monkeypatch.setattr(notices, "is_dead", lambda owner: owner == "host:1:old")
    await teller(ledger, told).tell()
    await teller(ledger, told).tell()

    assert len(told.calls) == 1


async def test_a_run_that_was_retried_ends_and_is_told_again(ledger: Ledger) -> None:
    await entered(ledger)
    told = Told()
    await ledger.finish("r", RunState.DONE)
    await teller(ledger, told).tell()
    ledger_key = "runpodkit:run:r"
    await ledger._redis.hset(ledger_key, mapping={"state": "RUNNING"})  # type: ignore[misc]
    await ledger._redis.hdel(ledger_key, "ended")  # type: ignore[misc]
    await teller(ledger, told).tell()
    await ledger._redis.hset(ledger_key, mapping={"state": "DONE", "ended": time.time() + 5})  # type: ignore[misc]
    await teller(ledger, told).tell()

    assert len(told.calls) == 2


async def test_an_end_that_was_seen_before_anybody_asked_is_not_told(ledger: Ledger) -> None:
    told = Told()
    await ledger.create(head_of(sweep("a mill", seed=1), "r"))
    await ledger.finish("r", RunState.DONE)
    status = await ledger.status("r")
    assert status
    await ledger.ask_notice("r", URL, mark_of(status, now=0) or "")
    await teller(ledger, told).tell()
    assert told.calls == []

    # a cell that runs again between the end and its telling must not swallow it
    await entered(ledger, "s")
    await ledger.finish("s", RunState.DONE)
    status = await ledger.status("s")
    assert status
    await ledger.ask_notice("s", URL, mark_of(status, now=0) or "")
    await teller(ledger, told).tell()
    assert [body["run"] for _, body in told.calls] == ["s"]

    await ledger.ask_notice("never entered", URL)
    assert not await ledger._redis.exists("runpodkit:run:never entered")


async def test_a_joint_run_is_told_once_its_parts_are_over(ledger: Ledger) -> None:
    head = replace(
        head_of(sweep("a mill", seed=[1, 2]), "both"), parts=({"endpoint": "x", "run": "both--x", "left_out": []},)
    )
    await ledger.create(head)
    await ledger.ask_notice("both", URL)
    told = Told()
    parts_over = False

    async def standing(head: RunHead) -> RunStatus | None:
        if parts_over:
            await ledger.finish(head.name, RunState.DONE)
        status = await ledger.status(head.name)
        return status and replace(status, ended=1.0 if parts_over else None)

    one = Teller(ledger, "store-1", standing, post=told)
    await one.tell()
    assert told.calls == []
    parts_over = True
    for _ in range(3):
        await one.tell()

    assert [body["state"] for _, body in told.calls] == ["DONE"]


async def test_runs_of_another_store_and_forgotten_ones_are_left_alone(ledger: Ledger) -> None:
    await ledger.create(replace(head_of(sweep("a mill", seed=1), "other"), store="store-2"))
    await ledger.ask_notice("other", URL)
    await ledger.finish("other", RunState.DONE)
    await entered(ledger, "gone")
    await ledger.forget("gone")
    told = Told()

    await teller(ledger, told).tell()

    assert told.calls == []
    assert [one.head.name for one in await ledger.notices()] == ["other"]
    assert await ledger._redis.smembers("runpodkit:notices") == {"other"}  # type: ignore[misc]


def test_a_message_has_numbers_and_no_word_of_the_prompt() -> None:
    counts = {TrialState.COLLECTED: 1, TrialState.REUSED: 1, TrialState.FAILED: 2}
    status = RunStatus(RunState.DONE, "", "", counts, 0.0, 9, 3, 1, 5.0, 7.5)
    head = head_of(sweep("a mill that nobody may read of", seed=[1, 2, 3, 4]), "r")

    told = message(head, status, "DONE@7.500")

    assert told == {
        "id": "r:DONE@7.500", "run": "r", "state": "DONE", "over": True, "goes_on_by_itself": False, "reason": None,
        "trials": 4, "collected": 2, "reused": 1, "failed": 2, "cancelled": 0,
        "cost_usd": None, "simulated": True, "text": "Run r: DONE, 2 of 4 pictures, 2 failed, SIMULATOR",
    }  # fmt: skip
    assert "mill" not in json.dumps(told)
    paid = message(head, replace(status, cost_usd=1.25), "x")
    assert (paid["cost_usd"], paid["text"]) == (1.25, "Run r: DONE, 2 of 4 pictures, 2 failed, $1.25, SIMULATOR")


async def test_the_address_stands_in_the_ledger_alone(ledger: Ledger) -> None:
    head = await entered(ledger)
    status = await ledger.status("r")

    assert "canary" not in json.dumps(head.to_dict()) + repr(status) + repr(await ledger.notices())
    assert "canary" not in repr(await ledger.standings())
    await ledger.forget("r")
    assert not [key async for key in ledger._redis.scan_iter("*") if "canary" in str(await ledger._redis.type(key))]


def test_what_may_be_notified_is_checked() -> None:
    check_notify(None)
    check_notify(print)
    check_notify("http://localhost:9/")
    with pytest.raises(ValueError, match="notify: a int is neither a function that takes the run nor an address"):
        check_notify(7)


async def until(true: Any) -> None:
    for _ in range(400):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it never came")


async def test_a_function_hears_of_holds_and_of_the_end(
    redis_url: str, ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "LOOK_S", 0.02)
    head = await entered(ledger)
    own = Ledger(redis_url, "store-1")  # of the loop that watches
    run = Run(head, LocalStore(tmp_path), ledger=own)
    heard: list[str] = []

    watch(run, lambda told: heard.append(str(told.state)))
    await ledger.set_state("r", RunState.HELD, "budget", hold="person", only_from=[RunState.RUNNING])
    await until(lambda: heard == ["HELD"])
    await ledger.set_state("r", RunState.RUNNING, only_from=[RunState.HELD])
    await ledger.finish("r", RunState.DONE)
    await until(lambda: heard == ["HELD", "DONE"])
    await shared_loop().acall(own.aclose())


def test_an_error_in_the_function_is_told_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def breaks(run: Run) -> None:
        raise RuntimeError(f"{run.name} was too much")

    notices._call(breaks, kept(tmp_path, [record(0)]))

    assert capfd.readouterr().err == "notify of run r: RuntimeError: r was too much\n"


def test_a_coroutine_function_is_awaited(tmp_path: Path) -> None:
    heard: list[str] = []

    async def hears(run: Run) -> None:
        await asyncio.sleep(0)
        heard.append(run.name)

    notices._call(hears, kept(tmp_path, [record(0)]))

    assert heard == ["r"]
