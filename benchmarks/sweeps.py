"""What it costs to build large sweeps: 100,000 trials of each kind, read, checked and made.

    python benchmarks/sweeps.py [--rounds 3]

Prints CPU seconds of one core, the least over the rounds, beside the yardstick in the same run: pydantic alone
validating as many sets of parameters.  No threshold is asserted: machines are noisy, ratios of one run are not.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import Any

import runpodkit as rk

TRIALS = 100_000
RUN = "benchmark"


def grid() -> rk.Sweep:
    """Two axes of plain values."""
    return rk.sweep("a pier", steps=range(1, 101), seed=range(1000))


def composite() -> rk.Sweep:
    """Alternatives, labelled sizes, a rule that leaves out half, repeats; numbered by cost."""
    return rk.sweep(
        "a {red|blue} pier",
        steps=range(1, 51),
        seed=range(100),
        size={"portrait": {"width": 832, "height": 1216}, "wide": {"width": 1216, "height": 832}},
        where="steps > 25",
        repeats=10,
    )


def sample() -> rk.Sweep:
    """A Latin hypercube of a space of 10^13 cells."""
    return rk.sweep(
        "a pier",
        seed=range(10_000),
        cfg_scale="0-30 (+0.01)",
        steps=range(1, 151),
        sampler_name=["Euler", "Heun"],
        strength="0-1 (+0.001)",
        sample=rk.latin(TRIALS),
    )


def rows() -> rk.Sweep:
    """Rows of a table with a column that is a label."""
    given = [{"steps": 1 + at % 100, "seed": at, "batch": f"b{at % 7}"} for at in range(TRIALS)]
    return rk.Sweep.from_rows(given, "a pier")


KINDS: Mapping[str, Callable[[], rk.Sweep]] = {
    "a grid of two axes": grid,
    "labels, alternatives, a rule, repeats": composite,
    "a Latin hypercube of 10^13 cells": sample,
    "rows of a table": rows,
}


def cpu_s(work: Callable[[], Any], rounds: int) -> float:
    """CPU seconds of one call, the least over the rounds."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    bare = cpu_s(
        lambda: [rk.ImageParams(user_prompt="a pier", steps=1 + at % 100, seed=at) for at in range(TRIALS)], rounds
    )
    print(f"{TRIALS:,} trials, CPU seconds of one core; pydantic alone validates as many in {bare:.2f} s")
    print("| Sweep | built and checked | trials made | together | of the yardstick |")
    print("| --- | --- | --- | --- | --- |")
    for name, build in KINDS.items():
        plan = build()
        assert len(plan) == len(plan.trials(RUN)) == TRIALS
        built, made = cpu_s(build, rounds), cpu_s(lambda plan=plan: plan.trials(RUN), rounds)  # type: ignore[misc]
        together = built + made
        print(f"| {name} | {built:.2f} s | {made:.2f} s | {together:.2f} s | {together / bare:.1f} × |")


if __name__ == "__main__":
    main()
