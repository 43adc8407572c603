"""Owners: a name tells whether its process still lives, on this machine alone."""

from __future__ import annotations

import subprocess
import sys

from runpodkit.runs.owners import is_dead, this_process


def test_this_process_lives() -> None:
    assert not is_dead(this_process())


def test_a_process_that_ended_is_dead() -> None:
    code = "from runpodkit.runs.owners import this_process; print(this_process())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    assert ended != this_process()
    assert is_dead(ended)


def test_of_another_machine_and_of_a_call_nothing_is_known() -> None:
    assert not is_dead("elsewhere/4026531836:1")
    assert not is_dead(f"{this_process()}x")
    assert not is_dead("one-3f2a:91ab")
