"""How long a grid takes and how much memory, beside matplotlib's subplots of the same pictures.

    python benchmarks/grids.py [--pictures 100] [--rounds 3]

Pictures are 832×1216 PNGs with the noise of photographs, in a store as a run leaves them.  The yardstick reads the same
files with Pillow, shows each in an axes of its own and saves a PNG of the same size in pixels.  Both run in a process of
their own, imports not counted.  The first grid of a run reads every picture and keeps small versions; the second finds them.
The target is 0.3 × for the first.  Peak memory is the whole process's, over what it had before the pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from runpodkit.runs.records import Record, write_batch, write_head
from runpodkit.runs.rows import ImageFile, RunHead, RunState, TrialState
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep

WIDTH, HEIGHT = 832, 1216
COLUMNS = 10

MEASURED = """
import json, re, resource, sys, time
{prepare}
def peak():  # a process starts with its parent's ru_maxrss, so Linux is asked elsewhere
    if sys.platform == "linux":
        return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
before, began, worked = peak(), time.perf_counter(), time.process_time()
{work}
print(json.dumps({{"seconds": time.perf_counter() - began, "cpu": time.process_time() - worked, "megabytes": peak() - before}}))
"""

OURS = MEASURED.format(
    prepare="import runpodkit as rk\nrun = rk.open_run(sys.argv[1])\nrk.grid, run.grid\nimport runpodkit.runs.grids",
    work="run.grid(rows='cfg_scale', cols='seed', cell_px=int(sys.argv[3])).save(sys.argv[2])",
)
YARDSTICK = MEASURED.format(
    prepare="import matplotlib; matplotlib.use('agg')\nimport matplotlib.pyplot as plt\nfrom PIL import Image\n"
    "from pathlib import Path",
    work="""
paths = sorted(Path(sys.argv[1]).parent.parent.glob("images/*/*.png"))
wide, high, columns = (int(word) for word in sys.argv[3:6])
figure, axes = plt.subplots(len(paths) // columns, columns, figsize=(wide / 100, high / 100), dpi=100)
for path, place in zip(paths, axes.flat):
    place.imshow(Image.open(path))
    place.set_axis_off()
    place.set_title(path.stem[:6], fontsize=6)
figure.savefig(sys.argv[2])
""",
)


def photograph(number: int) -> bytes:
    """A PNG of about 1.5 MB: shades and edges, with grain as a decoder leaves it."""
    chance = np.random.default_rng(number)
    coarse = Image.fromarray(chance.integers(0, 255, (19, 13, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT))
    grain = chance.normal(0, 3, (HEIGHT, WIDTH, 3))
    out = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(coarse) + grain, 0, 255).astype(np.uint8)).save(out, "PNG", compress_level=4)
    return out.getvalue()


def make_run(folder: Path, pictures: int, columns: int) -> Path:
    """A finished run in a store."""
    store = LocalStore(folder)
    plan = sweep("a mill", cfg_scale=[1 + row / 4 for row in range(pictures // columns)], seed=range(columns))
    head = RunHead(
        name="large",
        plan=plan.to_plan(),
        sweep_hash=plan.hash,
        trials=len(plan),
        identity="sketch-1",
        endpoint="simulator",
        dialect="native",
        simulated=True,
        store="s",
        family="f",
        created_at=0,
    )
    records = []
    for trial in plan.trials("large"):
        data = photograph(trial.number)
        key = hashlib.sha256(str(trial.number).encode()).hexdigest()
        file = ImageFile(
            f"images/{key[:2]}/{key}-0.png", WIDTH, HEIGHT, len(data), hashlib.sha256(data).hexdigest()[:16]
        )
        store.put(file.key, data)
        records.append(
            Record(
                trial=trial.number,
                state=TrialState.COLLECTED,
                values=trial.values,
                params=trial.params,
                prompt="a mill",
                negative_prompt="",
                run="large",
                endpoint="simulator",
                simulated=True,
                images=(file,),
            )
        )
    write_batch(store, head, 0, records)
    write_head(store, head, RunState.DONE)
    return folder / "runs" / "large"


def measure(code: str, *words: object) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--pictures", type=int, default=100)
    words.add_argument("--rounds", type=int, default=3)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = make_run(folder / "few", given.pictures, COLUMNS)
        out, theirs = folder / "grid.png", folder / "subplots.png"
        cold, warm, yardstick = [], [], []
        for _ in range(given.rounds):
            shutil.rmtree(folder / "few" / "thumbs", ignore_errors=True)
            cold.append(measure(OURS, run, out, 160))
            warm.append(measure(OURS, run, out, 160))
            with Image.open(out) as made:
                size = made.size
            yardstick.append(measure(YARDSTICK, run, theirs, *size, COLUMNS))
        usual, work = (median(each[name] for each in yardstick) for name in ("seconds", "cpu"))
        print(f"{given.pictures} pictures of {WIDTH}×{HEIGHT} as one PNG of {size[0]}×{size[1]}:")
        print(
            f"  matplotlib subplots  {usual:6.2f} s           CPU {work:6.2f} s           {median(e['megabytes'] for e in yardstick):5.0f} MB"
        )
        for what, found in (("first grid", cold), ("second grid", warm)):
            seconds = median(each["seconds"] for each in found)
            peak = median(each["megabytes"] for each in found)
            cpu = median(each["cpu"] for each in found)
            times = f"{seconds:6.2f} s  {seconds / usual:5.2f} ×  CPU {cpu:6.2f} s  {cpu / work:5.2f} ×"
            print(f"  {what:<20} {times}  {peak:5.0f} MB")
        more = make_run(folder / "many", 4 * given.pictures, 2 * COLUMNS)
        peaks = []
        for path, cell_px in ((run, 160), (more, 80)):
            shutil.rmtree(path.parent.parent / "thumbs", ignore_errors=True)
            peaks.append(measure(OURS, path, out, cell_px)["megabytes"])
        print(
            f"  as large a grid of {4 * given.pictures} pictures: {peaks[1]:.0f} MB, {peaks[1] / peaks[0]:.2f} × that of {given.pictures}"
        )


if __name__ == "__main__":
    main()
