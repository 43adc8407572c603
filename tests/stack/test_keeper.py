"""The keeper: a day without use ends the stack, any use within it does not."""

from __future__ import annotations

import os
import time

import pytest

from runpodkit import stack
from runpodkit.stack import keeper
from runpodkit.stack.processes import wait_until
from runpodkit.stack.state import locked, read

DAY_S = 24 * 3600


def age(home, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(home / "stack.used", (when, when))


def test_every_use_leaves_a_mark(settings):
    stack.ensure_redis(settings)
    age(settings.home, 2 * DAY_S)
    assert keeper.is_unused(settings.home, time.time())

    stack.ensure_redis(settings)

    assert not keeper.is_unused(settings.home, time.time())


@pytest.mark.parametrize(("age_s", "unused"), [(DAY_S - 60, False), (DAY_S + 60, True)])
def test_a_day_is_the_bound(home, age_s, unused):
    keeper.mark_used(home)
    marked_at = (home / "stack.used").stat().st_mtime

    assert keeper.is_unused(home, marked_at + age_s) is unused


def test_a_stack_in_use_is_not_ended(settings):
    stack.ensure_redis(settings)

    assert not stack.down_if_unused(settings, now_s=time.time())
    assert stack.status(settings)[0].running


def test_an_unused_stack_is_ended(settings):
    stack.ensure_redis(settings)

    assert stack.down_if_unused(settings, now_s=time.time() + 2 * DAY_S)
    assert not stack.status(settings)[0].running


def test_a_home_that_is_gone_has_nothing_to_end(settings):
    assert not stack.down_if_unused(settings, now_s=time.time())
    assert not settings.home.exists()


def test_the_keeper_comes_with_the_first_part_and_goes_with_the_last(settings):
    stack.ensure_redis(settings)
    process = read(settings.home).keeper
    assert process.is_alive

    stack.down(settings)

    assert wait_until(lambda: not process.is_alive, 5)


def test_it_sleeps_through_use_and_ends_the_stack_after_a_day_without(settings):
    stack.ensure_redis(settings)
    with locked(settings.home) as state:
        stack.processes.stop([state.keeper])
        keeper.ensure(settings.home, state, look_every_s=0.05)
        process, server = state.keeper, state.redis.process
    time.sleep(0.3)  # several looks
    assert process.is_alive and server.is_alive

    age(settings.home, 2 * DAY_S)

    assert wait_until(lambda: not server.is_alive and not process.is_alive, 10)
    assert read(settings.home).redis is None
    assert (settings.home / "logs" / "keeper.log").read_text() == ""
