"""A run as a contact sheet: every picture in the order of its trial, on paper or as images of pages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.images import saving
from runpodkit.images.contact import ContactSheet, Entry
from runpodkit.images.figures import described
from runpodkit.images.pdf import Document
from runpodkit.params import ImageParams
from runpodkit.reprs import cut
from runpodkit.runs.beside import Beside
from runpodkit.runs.facts import fact
from runpodkit.runs.layout import shown, value_of
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.runs.watch import progress

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

LONGEST_VALUE = 120
"""Characters of one value in a caption; a prompt goes on with "…"."""
SUFFIXES = (".pdf", ".png")


def export_contact_sheet(
    run: Results,
    path: Path,
    *,
    columns: int = 6,
    under: str | Sequence[str] = (),
    page: str = "A4",
    dpi: float = 200.0,
) -> list[Path]:
    """See `Results.contact_sheet`."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{path.name}: a contact sheet is saved as {' or '.join(SUFFIXES)}, not {path.suffix or 'no suffix'}"
        )
    fields = [under] if isinstance(under, str) else list(under)
    records = run.records()
    beside = run.beside(records) if fields else {}
    check_fields(fields, records, beside)
    entries = [entry for record in records for entry in _entries(record, run.bytes_of, fields, beside)]
    badge = "SIMULATOR" if run.simulated else ""
    counts = _counts(records)
    sheet = ContactSheet(entries, title=run.name, subtitle=counts, badge=badge, columns=columns, page=page, dpi=dpi)
    about = described(counts, badge)
    with progress("contact sheet", sum(entry.image is not None for entry in entries)) as advance:
        if path.suffix.lower() == ".pdf":
            return [_pdf(sheet, path, run.name, about, advance)]
        return _images(sheet, path, run.name, about, advance)


def write_contact(
    results: Results,
    path: Path,
    *,
    columns: int = 6,
    under: str | Sequence[str] = (),
    page: str = "A4",
    dpi: float = 200.0,
) -> Path:
    """As a format among others; gives the first file."""
    return export_contact_sheet(results, path, columns=columns, under=under, page=page, dpi=dpi)[0]


def check_fields(fields: Sequence[str], records: Sequence[Record], beside: Beside) -> None:
    """Raises ValueError for a name that is no field of a record, no parameter, no axis and nothing kept beside the run."""
    known = {field.name for field in dataclasses.fields(Record)} | set(ImageParams.model_fields) | set(beside)
    known |= set(records[0].values) if records else set()
    if strange := [name for name in fields if name not in known]:
        raise ValueError(
            f"under={strange[0]!r} is no field of this run's records; one of them: {', '.join(sorted(known))}"
        )


def _pdf(sheet: ContactSheet, path: Path, title: str, about: str, advance: Callable[[], object]) -> Path:
    document = Document(title, about)
    for figure in sheet.figures(advance):
        canvas = document.page(figure.sheet.size, figure.style.dots_per_inch)
        figure.sheet.draw_on(canvas, figure.pictures)
    data = document.to_bytes()
    return saving.written(path, lambda draft: draft.write_bytes(data))


def _images(sheet: ContactSheet, path: Path, title: str, about: str, advance: Callable[[], object]) -> list[Path]:
    paths = []
    for number, figure in enumerate(sheet.figures(advance), start=1):
        image, options = figure.image(), saving.options("PNG", figure.style, title, about)
        name = path.name if len(sheet) == 1 else f"{path.stem}-{number:0{len(str(len(sheet)))}}{path.suffix}"
        paths.append(saving.written(path.with_name(name), partial(image.save, format="PNG", **options)))
    return paths


def _entries(record: Record, read: Callable[[str], bytes], fields: Sequence[str], beside: Beside) -> list[Entry]:
    """One for each picture of a trial; one for a trial without any."""
    words = [_axis_words(name, value) for name, value in record.values.items()]
    under = [_told(record, name, beside) for name in fields]
    if not record.images:
        waits = not record.state.is_final
        problem = None if waits else record.reason or str(record.state)
        return [Entry(_caption(str(record.trial), words, under), problem=problem)]
    several = len(record.images) > 1
    return [
        Entry(
            _caption(f"{record.trial}.{number}" if several else str(record.trial), words, under),
            size=(file.width, file.height),
            image=partial(read, file.key),
        )
        for number, file in enumerate(record.images, start=1)
    ]


def _axis_words(name: str, value: Any) -> str:
    """A text says itself what it is; a number needs its name, on the same line."""
    return cut(value, LONGEST_VALUE) if isinstance(value, str) else f"{name}\u00a0{cut(shown(value), LONGEST_VALUE)}"


def _caption(number: str, words: Sequence[str], under: Sequence[str]) -> str:
    return "\n".join(["\u00a0· ".join([number, *words]), *under])


def _told(record: Record, name: str, beside: Beside) -> str:
    if name in beside:
        value = beside[name].get(record.trial)
    else:
        value = getattr(record, name) if hasattr(record, name) else value_of(record, name)
    return f"{name.removesuffix('_s').removesuffix('_usd')} {cut(fact(name, value), LONGEST_VALUE) or 'unknown'}"


def _counts(records: Sequence[Record]) -> str:
    pictures = sum(len(record.images) for record in records)
    failed = sum(record.state in (TrialState.FAILED, TrialState.EXPIRED) for record in records)
    waiting = sum(not record.state.is_final for record in records)
    cancelled = sum(record.state is TrialState.CANCELLED for record in records)
    words = [
        f"{len(records)} trial{'' if len(records) == 1 else 's'}",
        f"{pictures} picture{'' if pictures == 1 else 's'}",
    ]
    rest = {"failed": failed, "cancelled": cancelled, "not done": waiting}
    return " · ".join([*words, *(f"{count} {word}" for word, count in rest.items() if count)])
