"""How long a table of many records takes, and its CSV beside the one that pandas writes of the same frame.

    python benchmarks/tables.py [--trials 100000] [--repeats 3]

Figures are CPU seconds, the best of the repeats, CSV and yardstick in turn.  The target is 1.3 times pandas' own `to_csv`; what
ours does besides is to neutralise formulas, to write times in one form and to move the file into place.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from runpodkit.params import ImageParams
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState
from runpodkit.runs.tables import read_csv, summary, table, to_csv

SAMPLERS = ("Euler", "Euler a", "Heun", "DPM++ 2M")


def record(number: int) -> Record:
    """A record as most are; one in fifty failed, one prompt in a hundred looks like a formula."""
    key = hashlib.sha256(str(number).encode()).hexdigest()
    failed = number % 50 == 49
    prompt = f"{'=' if number % 100 == 7 else ''}a lighthouse on a cliff at dusk, calm sea, view {number // 400}"
    about = {"sampler_name": SAMPLERS[number % 4], "steps": number % 100 + 1, "seed": number % 4096}
    params = ImageParams(user_prompt=prompt, extra={"lora_scale": number % 10 / 10}, **about)
    return Record(
        trial=number,
        state=TrialState.FAILED if failed else TrialState.COLLECTED,
        values={**about, "user_prompt": prompt, "extra.lora_scale": number % 10 / 10},
        params=params,
        prompt=f"masterpiece, best quality, highly detailed, {prompt}",
        negative_prompt="lowres, bad anatomy, bad hands, text, error, cropped, worst quality, jpeg artifacts",
        run="large",
        endpoint="api.runpod.ai/abc123def456",
        simulated=False,
        key=key,
        job_id=f"{key[:8]}-{key[8:12]}-{key[12:16]}-u1",
        attempts=1,
        submitted_at=f"2026-03-01T10:{number // 1000 % 60:02d}:{number % 60:02d}.123+00:00",
        ended_at=f"2026-03-01T11:{number // 1000 % 60:02d}:{number % 60:02d}.456+00:00",
        queue_delay_s=number % 977 / 1000,
        execution_time_s=None if failed else number % 7919 / 997,
        worker_id=f"worker-{number % 20}",
        cost_usd=None if failed else number % 7919 / 997 * 0.00031,
        images=() if failed else (ImageFile(f"images/{key[:2]}/{key}-0.png", 832, 1216, 1_234_567, key[:16]),),
        reason="CUDA out of memory" if failed else None,
        flags=("retried",) if number % 200 == 3 else (),
    )


def best(work: Callable[[], object], repeats: int) -> float:
    """CPU seconds of the fastest of so many; other work on the machine counts less in those."""
    took = []
    for _ in range(repeats):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--trials", type=int, default=100_000)
    words.add_argument("--repeats", type=int, default=3)
    given = words.parse_args()
    records = [record(number) for number in range(given.trials)]
    frame = table(records)
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder) / "ours.csv", Path(folder) / "theirs.csv"
        pairs = [
            (best(lambda: to_csv(frame, ours), 1), best(lambda: frame.to_csv(theirs, index=False), 1))
            for _ in range(given.repeats)
        ]
        writing, yardstick = (min(times) for times in zip(*pairs, strict=True))
        reading, plainly = best(lambda: read_csv(ours), 1), best(lambda: pd.read_csv(theirs), 1)
        pd.testing.assert_frame_equal(read_csv(ours), frame)
        megabytes = ours.stat().st_size / 1e6
    building = best(lambda: table(records), given.repeats)
    summing = best(lambda: summary(records, ["sampler_name", "steps"]), 1)
    print(f"{given.trials:,} records, {len(frame.columns)} columns, {megabytes:.0f} MB of CSV")
    print(f"  to_csv    {writing:.2f} s, pandas {yardstick:.2f} s: {writing / yardstick:.2f} ×")
    print(f"  read_csv  {reading:.2f} s, pandas {plainly:.2f} s (which guesses types)")
    print(f"  table     {building:.2f} s")
    print(f"  summary   {summing:.2f} s by two columns, table included")


if __name__ == "__main__":
    main()
