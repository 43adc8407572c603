"""Money: rates by name, estimates worked out by hand, unknown never shown as 0."""

from __future__ import annotations

import pytest

from runpodkit.errors import ConfigError
from runpodkit.params import ImageParams
from runpodkit.runs.money import estimate, spoken, usd_per_s


@pytest.mark.parametrize("name", ["4090", "RTX 4090", "NVIDIA GeForce RTX 4090", "4090 PRO"])
def test_a_gpu_is_found_by_any_of_its_names(name: str) -> None:
    assert usd_per_s(name) == 0.00031


def test_an_unknown_gpu_is_named_and_none_is_unknown() -> None:
    assert usd_per_s(None) is None
    with pytest.raises(ConfigError, match="RUNPODKIT_GPU='abacus' is not in the price table; known: A4000"):
        usd_per_s("abacus")


def test_an_estimate_is_work_times_usual_speed_times_rate() -> None:
    # One megapixel, ten steps: 10 units of work; usual speeds 0.1, 0.2 and 0.3 s a unit.
    todo = [ImageParams(user_prompt="x", width=1000, height=1000, steps=10)] * 4
    usual = [(1.0, 10.0), (2.0, 10.0), (3.0, 10.0)]

    about = estimate(todo, reused=2, usual=usual, rate=0.001, workers=2, simulated=False)

    assert (about.trials, about.reused) == (6, 2)
    assert about.usd == pytest.approx((0.008, 0.006, 0.010))
    assert about.seconds == pytest.approx(4.0)
    assert repr(about) == "6 trials, 2 reused, $0.008 (0.006–0.01), about 4 s, 5 MB"


def test_what_is_not_known_is_said_so() -> None:
    todo = [ImageParams(user_prompt="x")]

    about = estimate(todo, reused=0, usual=[], rate=None, workers=1, simulated=False)

    assert "cost unknown until the first picture, time unknown" in repr(about)


@pytest.mark.parametrize(("seconds", "words"), [(0.4, "under 1 s"), (89, "89 s"), (120, "2 min"), (7800, "2 h 10 min")])
def test_durations_are_said_as_people_do(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
