"""Money: what a job cost or probably cost, and what a sweep will.

A cost the worker names is trusted; everything else is execution time × the GPU's rate
and is called an estimate; unknown stays unknown and is never shown as 0.
"""

from __future__ import annotations

import math
import statistics
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from runpodkit.errors import ConfigError
from runpodkit.params import ImageParams

STAND_IN_GPU = "4090"
"""The stand-in has no GPU: its costs are what the same seconds would cost on this one."""


@cache
def _prices() -> dict[str, float]:
    table = tomllib.loads(files("runpodkit.runs").joinpath("gpu_prices.toml").read_text("utf-8"))
    return dict(table["usd_per_s"])


def usd_per_s(gpu: str | None) -> float | None:
    """The rate of a GPU, named as the RunPod console does or nearly so; None if no GPU is named.

    Raises:
        ConfigError: no GPU of that name is in the price table.
    """
    if gpu is None:
        return None
    wanted = _plain(gpu)
    for name, rate in _prices().items():
        if _plain(name) == wanted:
            return rate
    raise ConfigError(f"RUNPODKIT_GPU={gpu!r} is not in the price table; known: {', '.join(_prices())}")


def _plain(gpu: str) -> str:
    words = gpu.lower().replace("nvidia", "").replace("geforce", "").replace("rtx", "").replace("pro", "")
    return "".join(character for character in words if character.isalnum())


def work_of(params: ImageParams) -> float:
    """How much there is to do, in megapixel steps: what execution time grows with."""
    return params.width * params.height / 1e6 * params.steps


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a sweep will probably take.  Money and times are None where nothing is known yet."""

    trials: int
    reused: int
    usd: tuple[float, float, float] | None
    """Likely, low, high."""
    seconds: float | None
    megabytes: float
    simulated: bool

    def __repr__(self) -> str:
        if self.usd is None:
            money = "cost unknown until the first picture"
        else:
            likely, low, high = (dollars(usd) for usd in self.usd)
            money = f"${likely}" if low == high else f"${likely} ({low}–{high})"
            if self.simulated:
                money += " if it were a GPU, nothing on the simulator"
        time = (
            "time unknown"
            if self.seconds is None
            else spoken(self.seconds)
            if self.seconds < 1
            else f"about {spoken(self.seconds)}"
        )
        return f"{self.trials} trials, {self.reused} reused, {money}, {time}, {self.megabytes:.0f} MB"


def estimate(
    todo: Sequence[ImageParams],
    *,
    reused: int,
    usual: Sequence[tuple[float, float]],
    rate: float | None,
    workers: int,
    simulated: bool,
    price: float | None = None,
) -> Estimate:
    """Cost and time of the trials still to be drawn.

    Args:
        todo: Resolved parameters of the trials that are not reused.
        usual: (execution time in s, work in megapixel steps) of recent jobs on the endpoint.
        rate: USD per second of a worker, if its GPU is known.
        workers: Workers that will share the work; at least 1 is assumed.
        price: USD for all of `todo`, where a price list says it; it then stands for the cost.

    Returns:
        The likely figure is the median time per unit of work; the range is its quartiles.
    """
    megabytes = sum(params.width * params.height for params in todo) * 1.3 / 1e6
    speeds = sorted(seconds / work for seconds, work in usual if work > 0)
    if not speeds:
        known = price if todo else 0.0
        usd = None if known is None else (known, known, known)
        return Estimate(len(todo) + reused, reused, usd, None, megabytes, simulated)
    work = sum(work_of(params) for params in todo)
    low, likely, high = _quartiles(speeds)
    usd = None if rate is None else (work * likely * rate, work * low * rate, work * high * rate)
    usd = usd if price is None else (price, price, price)
    return Estimate(len(todo) + reused, reused, usd, work * likely / max(1, workers), megabytes, simulated)


def summed(parts: Sequence[Estimate]) -> Estimate:
    """What sweeps on several endpoints take together, side by side: money adds up, the slowest sets the time."""
    usd = [part.usd for part in parts]
    known = [amount for amount in usd if amount is not None]
    seconds = [part.seconds for part in parts]
    return Estimate(
        sum(part.trials for part in parts),
        sum(part.reused for part in parts),
        (sum(a for a, _, _ in known), sum(b for _, b, _ in known), sum(c for _, _, c in known))
        if len(known) == len(usd)
        else None,
        None if None in seconds else max((part or 0) for part in seconds),
        sum(part.megabytes for part in parts),
        all(part.simulated for part in parts),
    )


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) == 1:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def dollars(usd: float) -> str:
    """An amount in USD without its sign: cents from a dollar on, two digits that count below."""
    if usd >= 1 or usd == 0:
        return f"{usd:.2f}"
    return f"{usd:.{1 - math.floor(math.log10(usd))}f}".rstrip("0")


def spoken(seconds: float) -> str:
    """A duration as a person says it: under 1 s, 40 s, 4 min, 2 h 10 min."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
