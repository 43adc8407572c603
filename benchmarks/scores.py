"""What it costs to score pictures, beside Pillow decoding the same files.

    python benchmarks/scores.py [--pictures 1000] [--workers 1]

A run of pictures of 832×1216 as PNG of 1.5 MB each, a tenth of which are baselines; yardstick and measures take turns
in this process.  The target is 0.1 s of one core a picture for those that compare with a baseline, its reading and
decoding included, and memory that does not grow with their number.
"""

from __future__ import annotations

import argparse
import io
import resource
import tempfile
import time
from pathlib import Path

from drawn_run import SIZE, VALUES, made
from PIL import Image

from runpodkit.runs.run import Run

COMPARING = ("ssim", "phash_distance")
MEASURES = ("sharpness", "contrast", "colourfulness", *COMPARING)


def decoding(run: Run, times: int) -> float:
    """CPU seconds in which Pillow reads and decodes one of the files."""
    keys = [record.images[0].key for record in run.records()[:times]]
    began = time.process_time()
    for key in keys:
        with Image.open(io.BytesIO(run.bytes_of(key))) as image:
            image.load()
    return (time.process_time() - began) / len(keys)


def most_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--pictures", type=int, default=1000)
    words.add_argument("--workers", type=int, default=1)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = made(Path(folder), given.pictures)
        count = run.head.trials
        few = list(range(count // VALUES // 10))
        for name in MEASURES:
            baseline = {"steps": 1} if name in COMPARING else None
            where = {"seed": few}
            run.score(name, f"few {name}", baseline=baseline, where=where, workers=given.workers, progress=False)
        after_few = most_memory_mb()
        print(f"{count} pictures of {SIZE[0]}×{SIZE[1]}, {given.workers} worker{'s' if given.workers > 1 else ''}")
        print("| Measure | CPU a picture | × Pillow's decoding | time a picture |")
        print("| --- | --- | --- | --- |")
        for name in MEASURES:
            baseline = {"steps": 1} if name in COMPARING else None
            yardstick = decoding(run, 40)
            began, cpu = time.perf_counter(), time.process_time()
            run.score(name, baseline=baseline, workers=given.workers, progress=False)
            cpu, spent = time.process_time() - cpu, time.perf_counter() - began
            yardstick = (yardstick + decoding(run, 40)) / 2
            print(
                f"| {name} | {cpu / count * 1000:.1f} ms | {cpu / count / yardstick:.2f} × ({yardstick * 1000:.1f} ms) "
                f"| {spent / count * 1000:.1f} ms |"
            )
        began = time.perf_counter()
        run.score("ssim", baseline={"steps": 1})
        print(f"| ssim once more | | | {(time.perf_counter() - began) / count * 1000:.2f} ms |")
        print(
            f"most memory: {after_few:.0f} MB after {len(few) * VALUES} pictures, {most_memory_mb():.0f} MB after all measures"
        )


if __name__ == "__main__":
    main()
