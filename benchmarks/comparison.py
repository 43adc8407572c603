"""What it costs to compare a run's pictures pairwise with a baseline, beside Pillow doing so picture by picture.

    python benchmarks/comparison.py [--pictures 1000] [--write docs/performance.md]

A run of pictures of 832×1216 as PNGs of 1.5 MB each in a folder, a tenth of them baselines.  The yardstick reads both files of
a pair with Pillow and takes the mean of their difference, as a loop in a notebook would; both take turns in this
process, and CPU time counts.  The target is 0.1 s of one core a pair, and memory that does not grow with the run.
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
import time
from datetime import date
from pathlib import Path

from drawn_run import SIZE, VALUES, made
from PIL import Image, ImageChops, ImageStat

from runpodkit.runs.run import Run

TITLE = "## Comparison"
OTHERS = "\n<!-- by other benchmarks -->\n"


def by_hand(run: Run, pairs: int) -> float:
    """CPU seconds a pair: both files read, decoded and subtracted at full size."""
    records = run.records()
    base = {record.params.seed: record for record in records if record.params.steps == 1}
    chosen = [record for record in records if record.params.steps > 1][:pairs]
    began = time.process_time()
    for record in chosen:
        one, other = (
            Image.open(io.BytesIO(run.bytes_of(each.images[0].key))) for each in (base[record.params.seed], record)
        )
        sum(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).mean)
    return (time.process_time() - began) / len(chosen)


def most_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--pictures", type=int, default=1000)
    words.add_argument("--write", type=Path, help="Put the figures into this page.")
    given = words.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        run = made(Path(folder), given.pictures)
        count = run.head.trials
        few = list(range(max(3, count // VALUES // 10)))
        run.compare("steps", where={"seed": few}, quiet=True).table.size  # noqa: B018 imports, and what a tenth needs
        after_few = most_memory_mb()
        pairs = count - count // VALUES
        for name, units, work in (
            ("`run.compare`, a pair", pairs, lambda: run.compare("steps", quiet=True).table),
            ("`run.enough_steps`, a picture", count, lambda: run.enough_steps(quiet=True).table),
            ("`run.axis_effects`, a picture", count, lambda: run.axis_effects(quiet=True).table),
            ("`run.disagreement`, a picture", count, lambda: run.disagreement("steps", quiet=True).heat),
        ):
            yardstick = by_hand(run, 20)
            began, cpu = time.perf_counter(), time.process_time()
            work()
            cpu, spent = (time.process_time() - cpu) / units, (time.perf_counter() - began) / units
            yardstick = (yardstick + by_hand(run, 20)) / 2
            target = "≤ 100 ms" if "compare" in name else ""
            rows.append(
                f"| {name} | {cpu * 1000:.0f} ms | {spent * 1000:.0f} ms | {cpu / yardstick:.2f} × | {target} |"
            )
            if "compare" in name:
                after_all = most_memory_mb()
        lines = [
            TITLE,
            "",
            f"Made by `python benchmarks/comparison.py` on {date.today()}: {count:,} pictures of {SIZE[0]}×{SIZE[1]} (PNG, 1.5 MB) in a folder, a tenth of",
            "them baselines; CPU of reading, decoding and measuring together. The yardstick is Pillow reading and subtracting both pictures of a",
            f"pair in the same run, {yardstick * 1000:.0f} ms.",
            "",
            "| Measure | CPU | time | of Pillow pair by pair | Target |",
            "| --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"Most memory: {after_few:.0f} MB after {len(few) * VALUES} pictures compared, {after_all:.0f} MB after {count:,}.",
        ]
    print("\n".join(lines))
    if given.write:
        given.write.write_text(placed(given.write.read_text("utf-8"), "\n".join(lines)), "utf-8")


def placed(page: str, section: str) -> str:
    """The page with this section among those of other benchmarks, in the place of an older one."""
    head, _, others = page.partition(OTHERS)
    kept = [
        part
        for part in ("\n" + others.strip()).split("\n## ")
        if part.strip() and f"## {part}".startswith(TITLE) is False
    ]
    return (
        head.rstrip() + "\n" + OTHERS + "\n" + "\n\n".join([*(f"## {part.strip()}" for part in kept), section]) + "\n"
    )


if __name__ == "__main__":
    main()
