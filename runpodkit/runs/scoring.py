"""Scoring: which pictures of a run have no number yet, and giving them one, some at once, with a bar.

Reads each picture once, keeps what was computed however it ends, and tells which picture failed instead of
failing.  At most as many pictures are in memory as there are workers, and a batch.
"""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from runpodkit.errors import NoSuchKeyError, OutputError, StoreError
from runpodkit.images import frames
from runpodkit.reprs import cut, plain
from runpodkit.runs.pairing import Against, against_of
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.runs.score_keeping import Job, Keeper, Task, against_id, say
from runpodkit.runs.score_names import check_name
from runpodkit.runs.scorers import BuiltIn, Scorer, as_number, built_ins, fingerprint, name_of
from runpodkit.runs.scores import Measure, Place, Score, read_elsewhere
from runpodkit.runs.shared_work import Shared
from runpodkit.runs.watch import progress
from runpodkit.storage import Store
from runpodkit.storage.many import in_order

if TYPE_CHECKING:
    import pandas as pd
    from PIL.Image import Image

    from runpodkit.runs.results import Results

MOST_WORKERS = 64
FUTILE = 25
"""Pictures that fail, and none that does not, after which the function is what is wrong."""
TOLD = 5
"""Failures that are told one by one."""


class Failure(NamedTuple):
    """Why a picture has no number."""

    reason: str


Outcome = tuple[Task, "float | Failure"]


async def score(
    results: Results,
    records: Sequence[Record],
    chosen: Sequence[Record],
    fn: Any,
    name: str | None,
    *,
    baseline: Any = None,
    redo: bool = False,
    workers: int | None = None,
    shown: bool = True,
) -> pd.Series:
    """See `Results.score`.

    Args:
        records: All of the run, among which baselines are looked for.
        chosen: Those that get a number.
    """
    scorer, kind = _scorer(fn)
    pairs = isinstance(scorer, BuiltIn) and scorer.pairs
    if pairs and baseline is None:
        raise ValueError(f"{kind} compares pictures: give baseline={{axis: value}}, or a picture or record")
    if not pairs and baseline is not None:
        raise ValueError(f"baseline={baseline!r}: only {', '.join(_comparing())} compare with one; leave it out")
    own = check_name(kind if name is None and isinstance(scorer, BuiltIn) else _named(fn, name), results, records)
    words, partner = against_of(baseline, records, results.store) if pairs else ("", None)
    code = None if isinstance(scorer, BuiltIn) else fingerprint(fn)
    job = Job(scorer, Score(own, Measure(kind, code, words)), _workers(workers), redo, shown)
    tasks, alone = _tasks(job.score, chosen, partner)
    work = asyncio.ensure_future(asyncio.to_thread(_fill, results, job, tasks, alone))
    try:
        done = await asyncio.shield(work)
    except asyncio.CancelledError:
        job.stop.set()
        with contextlib.suppress(Exception):
            await work
        raise
    return _series(done, chosen)


def _scorer(fn: Any) -> tuple[Any, str]:
    """What gives the numbers, and what kind of thing it is.

    Raises:
        ValueError: no such measure, or nothing that can be called.
    """
    if isinstance(fn, str):
        known = built_ins()
        if fn not in known:
            near = difflib.get_close_matches(fn, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{fn!r} is no built-in measure: {', '.join(known)}, or give a function{hint}")
        return known[fn], fn
    if isinstance(fn, Scorer) and not isinstance(fn, type):
        size = fn.batch_size
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"batch_size={size!r} of {type(fn).__name__}: a batch has 1 picture or more")
        return fn, "scorer"
    if not callable(fn):
        raise ValueError(
            f"{fn!r:.80} cannot score: give a function of (image, params), the name of a measure, or a Scorer"
        )
    return fn, "function"


def _comparing() -> list[str]:
    return [name for name, measure in built_ins().items() if measure.pairs]


def _named(fn: Any, name: str | None) -> str:
    own = name if name is not None else name_of(fn)
    if own is None:
        raise ValueError("a lambda has no name: add name=, which becomes the name of the column")
    return own


def _workers(given: int | None) -> int:
    if given is None:
        there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return min(8, there or 1)
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_WORKERS:
        raise ValueError(f"workers={given!r}: 1 to {MOST_WORKERS} threads")
    return given


def _tasks(
    score: Score, chosen: Sequence[Record], partner: Callable[[Record, int], Against | None] | None
) -> tuple[list[Task], list[int]]:
    """A task per picture, those with one baseline together; and the trials that have nothing to be compared with."""
    tasks: dict[Place, Task] = {}
    alone: list[int] = []
    for record in chosen:
        for number, image in enumerate(record.images):
            place = score.place(record, image)
            against = partner(record, number) if partner else None
            if partner and against is None:
                alone.append(record.trial)
            else:
                tasks.setdefault(place, Task(place, image, record, against))
    found = list(tasks.values())
    if partner:
        found.sort(key=against_id)
    return found, list(dict.fromkeys(alone))


def _fill(results: Results, job: Job, tasks: Sequence[Task], alone: Sequence[int]) -> Score:
    """Numbers for those that have none; in a thread."""
    keeper = Keeper(results, job)
    missing = [task for task in tasks if not keeper.has(task)]
    if missing and any(task.record.state is TrialState.REUSED for task in missing) and not job.redo:
        keeper.take(read_elsewhere(results.store, results.name, job.score), missing)
        missing = [task for task in missing if not keeper.has(task)]
    failed: list[tuple[int, str]] = []
    made = 0
    try:
        with progress(f"score {job.score.name}", len(missing), shown=job.shown) as step:
            for task, outcome in _outcomes(missing, results.store, job):
                if isinstance(outcome, Failure):
                    failed.append((task.record.trial, outcome.reason))
                    if not made and len(failed) >= FUTILE:
                        break
                else:
                    keeper.add(task, outcome)
                    made += 1
                step()
    finally:
        keeper.save()
    if job.stop.is_set():
        say(f"score {job.score.name}: stopped after {made} of {len(missing)} pictures; again, it goes on from there")
    elif failed and not made:
        trial, reason = failed[0]
        raise ValueError(f"{job.score.name} could score none of {len(failed)} pictures; trial {trial}: {reason}")
    _tell_failures(job.score.name, failed)
    if alone:
        numbers = ", ".join(map(str, alone[:TOLD])) + (", …" if len(alone) > TOLD else "")
        say(
            f"score {job.score.name}: no picture of {job.score.measure.baseline} to compare with: "
            f"{len(alone)} trial{'s' if len(alone) > 1 else ''} ({numbers})"
        )
    return keeper.score


def _outcomes(tasks: Sequence[Task], store: Store, job: Job) -> Iterator[Outcome]:
    """Each task with its number or why it has none, until `stop`."""
    scorer = job.scorer
    baselines: Shared[str, Any] = Shared(4 * job.workers)
    made: Generator[Outcome, None, None]
    if isinstance(scorer, BuiltIn):
        made = in_order(lambda task: (task, _guarded(_measured, scorer, task, store, baselines)), tasks, job.workers)
    elif isinstance(scorer, Scorer):
        made = _batched(scorer, tasks, store, job.workers)
    else:
        made = in_order(lambda task: (task, _guarded(_called, scorer, task, store)), tasks, job.workers)
    with contextlib.closing(made):
        for outcome in made:
            yield outcome
            if job.stop.is_set():
                return


def _guarded(work: Callable[..., float], *given: Any) -> float | Failure:
    """What a picture's failure becomes; a store that does not answer is no picture's failure."""
    try:
        return work(*given)
    except StoreError as exc:
        if not isinstance(exc, NoSuchKeyError):
            raise
        return Failure(cut(plain(str(exc)), 300))
    except ValueError as exc:
        return Failure(cut(plain(str(exc)), 300))
    except Exception as exc:  # whatever a caller's function raises
        return Failure(cut(plain(f"{type(exc).__name__}: {exc}"), 300))


def _measured(measure: BuiltIn, task: Task, store: Store, baselines: Shared[str, Any]) -> float:
    own = measure.prepare(frames.read(store.get(task.image.key)))
    if task.against is None:
        return as_number(measure.number(own))
    against = task.against
    try:
        other = baselines.get(against.id, lambda: measure.prepare(frames.read(against.store.get(against.image.key))))
    except (OutputError, NoSuchKeyError) as exc:
        raise ValueError(f"its baseline cannot be read: {exc}") from None
    return as_number(measure.number(own, other))


def _called(function: Callable[[Image, Any], Any], task: Task, store: Store) -> float:
    return as_number(function(frames.read(store.get(task.image.key)), task.record.params))


def _batched(scorer: Scorer, tasks: Sequence[Task], store: Store, workers: int) -> Generator[Outcome, None, None]:
    """Pictures are decoded ahead by threads; the scorer is called by this one."""

    def load(task: Task) -> tuple[Task, Image | Failure]:
        try:
            return task, frames.read(store.get(task.image.key))
        except NoSuchKeyError as exc:
            return task, Failure(cut(plain(str(exc)), 300))
        except StoreError:
            raise
        except Exception as exc:
            return task, Failure(cut(plain(str(exc)), 300))

    batch: list[tuple[Task, Image]] = []
    with contextlib.closing(in_order(load, tasks, workers)) as loaded:
        for task, image in loaded:
            if isinstance(image, Failure):
                yield task, image
                continue
            batch.append((task, image))
            if len(batch) >= scorer.batch_size:
                yield from _scored(scorer, batch)
                batch = []
    if batch:
        yield from _scored(scorer, batch)


def _scored(scorer: Scorer, batch: Sequence[tuple[Task, Image]]) -> list[Outcome]:
    """The numbers of a batch; one that fails is given picture by picture, so that only the bad one is without."""

    def call(part: Sequence[tuple[Task, Image]]) -> list[Any]:
        given = list(scorer.score([image for _, image in part], [task.record.params for task, _ in part]))
        if len(given) != len(part):
            raise ValueError(f"it gave {len(given)} numbers for {len(part)} pictures")
        return given

    try:
        given = call(batch)
    except Exception as exc:
        if len(batch) == 1:
            said = str(exc) if isinstance(exc, ValueError) else f"{type(exc).__name__}: {exc}"
            return [(batch[0][0], Failure(cut(plain(said), 300)))]
        return [outcome for one in batch for outcome in _scored(scorer, [one])]
    return [(task, _guarded(as_number, value)) for (task, _), value in zip(batch, given, strict=True)]


def _series(score: Score, records: Sequence[Record]) -> pd.Series:
    import pandas as pd

    values = score.by_trial(records)
    index = pd.Index([record.trial for record in records], name="trial", dtype="Int64")
    return pd.Series([values.get(record.trial) for record in records], index, "Float64", score.name)


def _tell_failures(name: str, failed: Sequence[tuple[int, str]]) -> None:
    for trial, reason in failed[:TOLD]:
        say(f"score {name}: trial {trial} has none: {reason}")
    if len(failed) > TOLD:
        trials = ", ".join(str(trial) for trial, _ in failed[TOLD : TOLD + 20])
        say(
            f"score {name}: {len(failed) - TOLD} more have none: trials {trials}{', …' if len(failed) > TOLD + 20 else ''}"
        )
