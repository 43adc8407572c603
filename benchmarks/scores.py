"""What it costs to score pictures, beside Pillow decoding the same files.

    python benchmarks/scores.py [--pictures 1000] [--workers 1]

A run of pictures of 832×1216 as PNG of 1.5 MB each, a tenth of which are baselines; yardstick and measures take turns
in this process.  The target is 0.1 s of one core a picture for those that compare with a baseline, its reading and
decoding included, and memory that does not grow with their number.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import resource
import tempfile
import time
from pathlib import Path

from PIL import Image, ImageChops

from runpodkit.runs.records import Record, write_batch, write_head
from runpodkit.runs.rows import ImageFile, RunHead, RunState, TrialState
from runpodkit.runs.run import Run, opened
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep

SIZE = (832, 1216)
DIFFERENT = 20
"""Files on disk; the others are further names of them, so that a thousand need no 1.5 GB."""
VALUES = 10
"""Of the axis whose first value is the baseline."""
COMPARING = ("ssim", "phash_distance")
MEASURES = ("sharpness", "contrast", "colourfulness", *COMPARING)


def picture(number: int) -> bytes:
    """Soft shapes with some grain, about as large as a PNG of a drawn picture."""
    soft = [Image.radial_gradient("L").resize(SIZE).rotate(turn + number * 9) for turn in (0, 40, 80)]
    grain = Image.effect_noise(SIZE, 6)
    out = io.BytesIO()
    Image.merge("RGB", [ImageChops.add(band, grain, scale=1.4) for band in soft]).save(out, "PNG")
    return out.getvalue()


def made(root: Path, pictures: int) -> Run:
    """A finished run of so many pictures."""
    plan = sweep("a mill", steps=range(1, VALUES + 1), seed=range(pictures // VALUES), width=SIZE[0], height=SIZE[1])
    store = LocalStore(root)
    head = RunHead(
        name="bench", plan=plan.to_plan(), sweep_hash=plan.hash, trials=len(plan), identity="sketch-1",
        endpoint="simulator", dialect="native", simulated=True, store="s", family="f", created_at=0.0,
    )  # fmt: skip
    records = []
    files: list[Path] = []
    for trial in plan.trials("bench"):
        key = hashlib.sha256(f"{trial.number}".encode()).hexdigest()
        file = ImageFile(f"images/{key[:2]}/{key}-0.png", *SIZE, 0, key[:16])
        if len(files) < DIFFERENT:
            store.put(file.key, picture(trial.number))
            files.append(root / file.key)
        else:
            (root / file.key).parent.mkdir(parents=True, exist_ok=True)
            os.link(files[trial.number % DIFFERENT], root / file.key)
        records.append(
            Record(
                trial=trial.number, state=TrialState.COLLECTED, values=trial.values, params=trial.params, prompt="a mill",
                negative_prompt="", run="bench", endpoint="simulator", simulated=True, key=key, images=(file,),
            )
        )  # fmt: skip
    for start in range(0, len(records), 50):
        write_batch(store, head, start // 50, records[start : start + 50])
    write_head(store, head, RunState.DONE)
    return opened(head, store, state=RunState.DONE)


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
