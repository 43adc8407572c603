"""Frozen runs: everything a run was and gave, in one file that opens anywhere with `open_run`.

Plan, records, pictures, input pictures, answers of blind comparisons, scores, and the versions at work.
No key, no signed link, no machine's name or path.  The same run frozen again with the same versions
gives the same bytes: no clock is asked.  Pictures pass through memory a few at a time.
"""

from __future__ import annotations

import json
import platform
import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.errors import NoSuchKeyError
from runpodkit.runs.records import Share, batch_file, head_file
from runpodkit.runs.rows import BATCH_SIZE, RunHead, RunState
from runpodkit.runs.watch import progress
from runpodkit.secrecy import Censor
from runpodkit.storage import Store, is_key
from runpodkit.storage.many import in_order
from runpodkit.storage.zipped import write_zip
from runpodkit.sweeps.sweep import Sweep

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

_BESIDE = ("inputs/", "unread/")
"""Where files lie that records name besides pictures; one that the store has lost is done without."""
_OVER = (RunState.DONE, RunState.CANCELLED)


def freeze(shares: Sequence[Share], store: Store, file: Path, *, incomplete: bool = False) -> Path:
    """See `Results.freeze`.

    Args:
        shares: The run, and after it its parts if it has any.
        store: Where their pictures are.
    """
    whole = shares[0]
    if file.suffix.lower() != ".zip":
        raise ValueError(f"{str(file)!r}: a frozen run is a zip file, so its name ends in .zip")
    if whole.state not in _OVER and not incomplete:
        raise ValueError(
            f"run {whole.head.name} is {whole.state} and may still change: wait for it or cancel it, "
            "or freeze it as it stands with incomplete=True"
        )
    censor = Censor()
    with progress(f"read {whole.head.name}", sum(len(share.records) for share in shares), "record") as step:
        texts, beside = _texts(shares, store, censor, step)
    pictures = {image.key for share in shares for record in share.records for image in record.images}
    texts["versions.json"] = _json(_versions([share.head for share in shares]))
    texts["README.txt"] = _readme(shares, censor, incomplete=incomplete).encode()
    binary = sorted((pictures | beside) - texts.keys())
    with progress(f"freeze {whole.head.name}", len(texts) + len(binary), "file") as step:
        write_zip(file, _items(texts, binary, store, set() if incomplete else pictures, step), {"run": whole.head.name})
    return file


def write_frozen(results: Results, path: Path, *, incomplete: bool = False) -> Path:
    """`Results.freeze` as a format among others."""
    return results.freeze(path, incomplete=incomplete)


def _items(
    texts: dict[str, bytes], binary: Sequence[str], store: Store, needed: set[str], step: Callable[[], object]
) -> Iterator[tuple[str, bytes]]:
    """Every key with its value, in the order of the keys; what lies in the store is read as it is asked for."""
    read = in_order(partial(_read, store, needed), binary)
    for key in sorted([*texts, *binary]):
        data = texts[key] if key in texts else next(read)
        if data is not None:
            yield key, data
        step()


def _read(store: Store, needed: set[str], key: str) -> bytes | None:
    try:
        return store.get(key)
    except NoSuchKeyError as exc:
        if key in needed:
            raise NoSuchKeyError(f"{exc}; incomplete=True freezes the run without it") from None
        return None


def _texts(
    shares: Sequence[Share], store: Store, censor: Censor, step: Callable[[], object]
) -> tuple[dict[str, bytes], set[str]]:
    """Heads, records and answers as files by key, and the keys of other files that they name."""
    texts: dict[str, bytes] = {}
    named: set[str] = set()
    for share in shares:
        key, data = head_file(share.head, share.state)
        texts[key] = _json(censor.clean(json.loads(data)))
        for batch, records in _batches(share):
            key, data = batch_file(share.head.name, batch, records)
            texts[key] = _lines(data, censor, named, step)
        for folder in ("preferences", "scores"):
            for key in store.keys(f"runs/{share.head.name}/{folder}/"):
                texts[key] = _lines(store.get(key), censor, named)
    return texts, named


def _batches(share: Share) -> Iterator[tuple[int, list[Any]]]:
    by_batch: dict[int, list[Any]] = {}
    for record in share.records:
        by_batch.setdefault(record.trial // BATCH_SIZE, []).append(record)
    return iter(sorted(by_batch.items()))


def _lines(data: bytes, censor: Censor, named: set[str], step: Callable[[], object] = lambda: None) -> bytes:
    """JSON lines without secrets; what they name beside pictures goes into `named`."""
    lines = []
    for line in data.splitlines():
        value = json.loads(line)
        named.update(text for text in _strings(value) if text.startswith(_BESIDE) and is_key(text))
        lines.append(json.dumps(censor.clean(value), ensure_ascii=False) + "\n")
        step()
    return "".join(lines).encode()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _versions(heads: Sequence[RunHead]) -> dict[str, Any]:
    """What drew the pictures, and what wrote the file; nothing of the machine."""
    return {
        "drawn": [
            {
                "run": head.name,
                "runpodkit": head.version,
                "model": head.identity,
                "endpoint": head.endpoint,
                "gpu": head.gpu,
                "simulated": head.simulated,
                "dialect": head.dialect,
                "dialect_row": dict(head.dialect_row),
            }
            for head in heads
        ],
        "frozen": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("runpodkit", "pillow", "pandas")},
        },
    }


def _readme(shares: Sequence[Share], censor: Censor, *, incomplete: bool) -> str:
    """What the file is, for somebody who has only the file."""
    whole = shares[0]
    head = whole.head
    records = [record for share in shares for record in share.records]
    made = sum(bool(record.images) for record in records)
    started = datetime.fromtimestamp(head.created_at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    sweep = Sweep.from_plan(censor.clean(dict(head.plan)))
    title = f"{head.name}: a run of runpodkit, frozen"
    facts = [
        f"{made} of {head.trials} trials have pictures; state {whole.state}; started {started}.",
        *([f"Written while it was {whole.state}: it may have gone on since."] if whole.state not in _OVER else []),
        *(["Pictures that the store had lost by then, if any, are not in here."] if incomplete else []),
        *(["Drawn by a SIMULATOR, not by the model that is named."] if head.simulated else []),
        "",
        *([] if "user_prompt" in sweep.axes else _wrapped("Prompt: ", sweep.base.user_prompt)),
        *_wrapped("Axes: ", ", ".join(f"{name} ({len(values)})" for name, values in sweep.axes.items()) or "none"),
        *_wrapped("Model: ", f"{head.identity}; endpoint {head.endpoint}; dialect {head.dialect}"),
    ]
    return "\n".join([title, "=" * len(title), "", *facts, "", _HOW_TO_OPEN.format(name=head.name)])


def _wrapped(label: str, text: str) -> list[str]:
    return textwrap.wrap(label + " ".join(text.split()), 100, subsequent_indent="  ", break_long_words=False)


_HOW_TO_OPEN = """\
Open it
-------
    pip install runpodkit

    import runpodkit as rk
    run = rk.open_run("{name}.zip")
    run.table()                # a row per trial
    run.grid()                 # all pictures in one
    run.compare("<an axis>")   # what one axis changes

Neither an account nor a key is needed, and nothing is started.  Every file is checked when it is read.

Without runpodkit
-----------------
images/                   pictures as they were drawn, their parameters written beside the pixels
inputs/                   pictures that were edited, if any were
runs/<run>/run.json       the plan: parameters that all trials share, and the axes
runs/<run>/records/       a line of JSON per trial: what was asked, sent and drawn, times in s, cost in USD
runs/<run>/preferences/   answers of blind comparisons, if there were any
runs/<run>/scores/        numbers of pictures under a name, if there were any
versions.json             model, dialect and versions of the software
manifest.json             size and sha256 of every other file

Unpacked, this is a folder that runpodkit opens as well: rk.open_run("<folder>/runs/{name}").
Keys, passwords and signed links were taken out; where one stood there is now a mark, •••1.
"""
