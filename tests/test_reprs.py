"""What a notebook shows of small things: short, escaped, and the same at each execution."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import runpodkit as rk
from runpodkit import stack
from runpodkit.endpoint.client import Endpoint
from runpodkit.jobs import Job, JobStatus
from runpodkit.kit import Kit
from runpodkit.params import ImageParams
from runpodkit.reprs import badge, cut, facts_html
from runpodkit.settings import EndpointAddress, Settings

HOSTILE = "<script>window.taken=1</script> \"'" + "x" * 3000


@pytest.fixture(autouse=True)
def _ended(tmp_path: Path) -> Iterator[None]:
    """A kit of a home of its own starts a Redis there."""
    yield
    stack.down(Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path / "home"))


def things(folder: Path) -> dict[str, Any]:
    address = EndpointAddress("https://api.runpod.ai/v2/abcdefgh1234", SecretStr("rpa_made_up_for_tests"))
    return {
        "Sweep": rk.sweep(HOSTILE, steps=[1, 2], seed=range(1000)),
        "ImageParams": ImageParams(user_prompt=HOSTILE, steps=5),
        "Job": Job("c2a9-random-id", JobStatus.FAILED, output={"<b>": 1}, error=HOSTILE, queue_delay_s=1.25),
        "Endpoint": Endpoint("http://127.0.0.1:8123/v2/local", "rpa_made_up_for_tests"),
        "Kit": Kit(Settings.load(folder), address, stands_in=False),
    }


@pytest.mark.parametrize("name", ["Sweep", "ImageParams", "Job", "Endpoint", "Kit"])
def test_text_and_html_are_short_escaped_and_stable(name: str, tmp_path: Path) -> None:
    thing, again = (things(tmp_path)[name] for _ in range(2))

    assert repr(thing) == repr(again)
    assert thing._repr_html_() == again._repr_html_()
    assert len(repr(thing)) < 300
    assert len(thing._repr_html_()) < 3000
    assert "<script" not in thing._repr_html_()
    for volatile in ("127.0.0.1", "8123", "random-id", "made_up", "1.25", str(tmp_path)):
        assert volatile not in repr(thing) + thing._repr_html_()
    assert not re.search("0x[0-9a-f]{6}", repr(thing))


def test_live_and_simulator_cannot_be_mistaken(tmp_path: Path) -> None:
    assert ">LIVE<" in things(tmp_path)["Kit"]._repr_html_()
    assert ">SIMULATOR<" in badge(True)


def test_parameters_show_what_was_set() -> None:
    assert repr(ImageParams(user_prompt="a fox", steps=5)) == "ImageParams(user_prompt='a fox', steps=5)"


def test_a_sweep_shows_what_is_shared_and_what_varies() -> None:
    html = rk.sweep("a fox", width=512, steps=[5, 10], seed=range(3))._repr_html_()

    assert "Sweep, 6 trials = 2 × 3" in html
    assert all(part in html for part in (">a fox<", ">512<", ">5, 10<", ">0, 1, 2<"))


def test_words_are_escaped_and_cut() -> None:
    assert "&lt;b&gt;" in facts_html("<b>", {"a": "<i>"})
    assert cut("a\n b   c", 5) == "a b c"
    assert cut("abcdef", 4) == "abc…"
