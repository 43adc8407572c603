"""Upkeep's eye on the ledger: which runs are dispatched again, and how many messages that takes."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from runpodkit import stack
from runpodkit.runs.dispatch import CALL_GRACE_S, Dispatcher
from tests.runs.conftest import Bench, mock


@pytest.fixture
async def dispatcher(bench: Bench, redis_url: str) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(stack.broker_url(redis_url), "sweeps", "f", bench.ledger)
    yield dispatcher
    dispatcher.close()


async def again(dispatcher: Dispatcher, bench: Bench) -> list[str]:
    """What upkeep dispatches a while after the last time."""
    await bench.ledger._redis.delete("runpodkit:lock:upkeep")
    return await dispatcher.revive()


@pytest.mark.parametrize(("age_s", "dispatched"), [(CALL_GRACE_S + 5, ["one-lost"]), (1.0, [])])
async def test_a_single_picture_that_nobody_drives_any_more_is_driven_like_any_run(
    dispatcher: Dispatcher, bench: Bench, age_s: float, dispatched: list[str]
) -> None:
    head = replace(await bench.enter(mock(1), "model"), name="one-lost", kind="single", created_at=time.time() - age_s)
    await bench.ledger.forget("model")
    await bench.ledger.create(head, listed=False)

    assert await again(dispatcher, bench) == dispatched


async def test_messages_that_wait_already_are_enough_for_so_many_runs(dispatcher: Dispatcher, bench: Bench) -> None:
    for name in ("a", "b"):
        await bench.enter(mock(2), name)
        await dispatcher.dispatch(name)
        await bench.ledger._redis.delete(f"runpodkit:lock:revive:{name}")

    assert await again(dispatcher, bench) == []

    await bench.enter(mock(2), "c")
    assert await again(dispatcher, bench) == ["a", "b", "c"]


async def test_a_run_that_is_entered_anew_while_upkeep_looks_is_not_swept_away(
    dispatcher: Dispatcher, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.enter(mock(2), "anew")

    async def not_there_yet(name: str) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(bench.ledger, "head", not_there_yet)
        await again(dispatcher, bench)

    assert await bench.ledger.head("anew") is not None
