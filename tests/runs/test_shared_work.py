"""Shared work: done once however many want it, the latest kept, and failures given to all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runpodkit.runs.shared_work import Shared


def test_what_many_threads_want_is_made_once() -> None:
    shared: Shared[str, int] = Shared(4)
    made: list[int] = []
    all_there = threading.Barrier(8)

    def make() -> int:
        made.append(1)
        return 7

    def want(_: int) -> int:
        all_there.wait(10)
        return shared.get("a", make)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(want, range(8))) == [7] * 8
    assert made == [1]


def test_the_latest_are_kept_and_older_ones_made_again() -> None:
    shared: Shared[int, int] = Shared(2)
    made: list[int] = []

    def get(key: int) -> None:
        shared.get(key, lambda: made.append(key) or key)  # type: ignore[func-returns-value]

    for key in (1, 2, 2, 1, 3, 3, 2, 1):
        get(key)

    assert made == [1, 2, 3, 1]


def test_what_failed_fails_for_all_who_ask() -> None:
    shared: Shared[str, int] = Shared(2)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            shared.get("a", lambda: 1 // 0)
