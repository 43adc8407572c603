"""How much of Redis a long run takes, and how fast changes of trials are committed.

    python benchmarks/ledger.py [--trials 100000] [--prompt-chars 4000]

Every trial goes from reserved to collected, as a driver would commit it; the sweep has 100 prompts of the given length.
The target is 150 MB for 100,000 trials.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import tempfile
import time
import uuid
from pathlib import Path

from runpodkit import stack
from runpodkit.runs.ledger import Change, Lease, Ledger
from runpodkit.runs.rows import ImageFile, Row, RunHead, TrialState
from runpodkit.settings import Settings
from runpodkit.sweeps.sweep import sweep

PROMPTS, AT_ONCE = 100, 2000


def head_of(trials: int, prompt_chars: int) -> RunHead:
    """A run of so many trials."""
    prompts = [f"{number} ".ljust(prompt_chars, "x") for number in range(PROMPTS)]
    plan = sweep(prompts, seed=range(trials // PROMPTS))
    return RunHead(
        name="large",
        plan=plan.to_plan(),
        sweep_hash=plan.hash,
        trials=len(plan),
        identity="sketch-1",
        endpoint="simulator",
        dialect="native",
        simulated=True,
        store="abcd1234",
        family="f",
        created_at=time.time(),
    )


def collected(number: int) -> Row:
    """A row as most are."""
    key, now = hashlib.sha256(str(number).encode()).hexdigest(), time.time()
    return Row(
        TrialState.COLLECTED,
        key=key,
        job=f"{uuid.uuid4()}-u1",
        attempts=1,
        reserved_at=now,
        submitted_at=now,
        ended_at=now,
        queue_delay_s=1.234,
        execution_time_s=12.345,
        worker_id="worker-12abcdef",
        cost_usd=0.003827,
        images=(ImageFile(f"images/{key[:2]}/{key}-0.png", 832, 1216, 1_234_567, key[:16]),),
        seed=number,
    )


async def measure(url: str, trials: int, prompt_chars: int) -> tuple[float, float]:
    """MB of Redis, and changes per second."""
    ledger, head = Ledger(url, "abcd1234"), head_of(trials, prompt_chars)
    before = (await ledger._redis.info("memory"))["used_memory"]
    await ledger.create(head)
    leases: dict[int, Lease] = {}
    while got := await ledger.claim_batches(head, "owner", 1000):
        leases |= {lease.batch: lease for lease in got}
    began = time.monotonic()
    for start in range(0, head.trials, AT_ONCE):
        numbers = range(start, min(head.trials, start + AT_ONCE))
        for claim, state in (("take", TrialState.RESERVED), ("keep", TrialState.COLLECTED)):
            rows = {number: collected(number) for number in numbers}
            changes = [
                Change(
                    leases[number // 50],
                    number,
                    row if state is TrialState.COLLECTED else Row(state, key=row.key, attempts=1),
                    claim,
                    {"cost": 0.003827} if state is TrialState.COLLECTED else None,
                )
                for number, row in rows.items()
            ]
            await asyncio.gather(*(ledger.apply(change) for change in changes))
    seconds = time.monotonic() - began
    after = (await ledger._redis.info("memory"))["used_memory"]
    await ledger.aclose()
    return (after - before) / 1e6, 2 * head.trials / seconds


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--trials", type=int, default=100_000)
    words.add_argument("--prompt-chars", type=int, default=4000)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.load(Path(folder), RUNPODKIT_HOME=Path(folder) / "home")
        try:
            url = stack.ensure_redis(settings)
            megabytes, per_s = asyncio.run(measure(url, given.trials, given.prompt_chars))
        finally:
            stack.down(settings)
    print(
        f"{given.trials:,} trials, prompts of {given.prompt_chars:,}: {megabytes:.0f} MB, {per_s:,.0f} changes per second"
    )


if __name__ == "__main__":
    main()
