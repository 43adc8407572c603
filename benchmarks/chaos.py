"""Kills parts of the system in the middle of runs and counts what is left; makes `docs/chaos.md`.

    python benchmarks/chaos.py [--trials 300] [--seed 7] [--only "worker"] [--write docs/chaos.md]

Every part alone and every pair of parts, each in a run of its own against a simulator that refuses 5 % of requests
with 429 and 2 % with 5xx, loses 2 % of answers, fails 1 % of jobs and completes 1 % without output.  Exits with 1 if
a promise is broken.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.chaos.harness import VICTIMS, Outcome, suffer

HEAD = """# Chaos

Made by `python benchmarks/chaos.py --trials {trials} --seed {seed} --write docs/chaos.md` on {date}.

Each line is a run of {trials} trials of 0.3 s on 8 workers, against a simulator that answers 5 % of submissions and status
calls with 429 and 2 % with 5xx, loses 2 % of its answers, fails 1 % of jobs and completes 1 % without output. At a
random moment the parts named are ended with SIGKILL, all at once. The simulator is started again and has then forgotten its
jobs; the notebook is opened again; Redis and the Celery worker come back by themselves.

*Failed* are trials that the faults account for: failing jobs, or submissions that were never confirmed. *Extra jobs* are
jobs that the endpoint took beyond one per trial, after lost answers, forgotten jobs and failures; each is flagged in its
record. *Resumed* is the time from the kill, or from the moment the Celery worker is there again, to the end of
the first trial submitted after it. The promises: one record per trial, one picture per record that did not fail, no picture
without a record, no job without an attempt that a record accounts for, no extra job without a flag, resumed within 30 s,
no key in any file.

| Killed | At | Trials | Records | Pictures | Failed | Extra jobs | Resumed, s | Whole run, s | Promises |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""


def scenarios() -> list[tuple[str, ...]]:
    """Nothing, each part alone, every pair of parts that are not one within the other."""
    pairs = [pair for pair in itertools.combinations(VICTIMS, 2) if set(pair) != {"worker", "worker's child"}]
    return [(), *((victim,) for victim in VICTIMS), *pairs]


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--trials", type=int, default=300)
    words.add_argument("--seed", type=int, default=7)
    words.add_argument("--only", action="append", help="Names of parts, as in the table, joined by ' + '.")
    words.add_argument("--write", type=Path)
    given = words.parse_args()
    wanted = [tuple(name.split(" + ")) for name in given.only] if given.only else scenarios()
    outcomes: list[Outcome] = []
    for victims in wanted:
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(suffer(Path(folder), victims, trials=given.trials, seed=given.seed))
        print(outcomes[-1].row, flush=True)
    if given.write:
        today = datetime.datetime.now(datetime.UTC).date().isoformat()
        head = HEAD.format(trials=given.trials, seed=given.seed, date=today)
        given.write.write_text(head + "".join(f"{outcome.row}\n" for outcome in outcomes), encoding="utf-8")
    sys.exit(any(outcome.broken for outcome in outcomes))


if __name__ == "__main__":
    main()
