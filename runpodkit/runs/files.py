"""Picture files as items: from paths, a folder or a pattern, with the parameters that stand in them."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.errors import OutputError
from runpodkit.params import ImageParams
from runpodkit.runs.items import FILE, Collection, Item

if TYPE_CHECKING:
    from runpodkit.images.metadata import PictureFacts

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif")
"""Of what a folder is looked through for."""
_FIELDS = tuple(
    name for name in ImageParams.model_fields if name not in ("extra", "timeout", "input_image", "num_images")
)


def picture_files(given: Sequence[str | Path]) -> list[Path]:
    """The files that paths, folders and patterns mean; of folders and patterns by name, `2.png` before `10.png`.

    Raises:
        ValueError: one that is not there, or gives no picture.
    """
    found: list[Path] = []
    for each in given:
        path = Path(each).expanduser()
        if path.is_file():
            found.append(path)
        elif path.is_dir():
            found += _pictures(list(path.iterdir()), f"the folder {path.name or path} holds no picture")
        elif glob.has_magic(str(path)):
            names = glob.glob(str(path), recursive=True)
            found += _pictures([Path(name) for name in names], f"no picture is like {each}")
        else:
            raise ValueError(f"{each}: there is no such file or folder; a run is opened with runpodkit.open_run(name)")
    return list(dict.fromkeys(found))


def of_files(paths: Sequence[Path], advance: Callable[[], object] | None = None) -> Collection:
    """Files as items: placed by the parameters inside them, else by `file`, their name.

    Args:
        advance: Called after each file that was read.
    """
    names = _short_names(paths)
    items = []
    pool = ThreadPoolExecutor((os.cpu_count() or 2) + 2, thread_name_prefix="runpodkit-files")
    try:
        for item in pool.map(_item, paths, names):
            items.append(item)
            if advance:
                advance()
    finally:  # an interrupt does not wait for files that nobody will see
        pool.shutdown(cancel_futures=True)
    axes: dict[str, list[Any]] = {name: [] for name in _FIELDS if any(name in item.facts for item in items)}
    return Collection(items, axes)


def natural(name: str) -> list[tuple[int, int, str]]:
    """What names are sorted by so that numbers in them count as numbers."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part[:30]), part) if part[:1].isdigit() and part.isascii() else (1, 0, part) for part in parts]


def _pictures(paths: Sequence[Path], otherwise: str) -> list[Path]:
    chosen = [
        path for path in paths if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if not chosen:
        raise ValueError(f"{otherwise}: {', '.join(SUFFIXES)} are looked for")
    return sorted(chosen, key=lambda path: natural(str(path)))


def _item(path: Path, name: str) -> Item:
    from runpodkit.images import metadata, thumbnails

    facts: dict[str, Any] = {}
    problem, size = None, None
    try:
        data = path.read_bytes()
        size = thumbnails.size_of(data)
        facts = _told(metadata.read_facts(data))
    except OutputError as exc:
        problem = None if size else str(exc)
    except OSError as exc:
        problem = exc.strerror or str(exc)
    keys = (str(path), path, path.name, path.stem, name)
    return Item(name, {**facts, FILE: name}, path.read_bytes, problem, size, origin=path, keys=keys)


def _told(said: PictureFacts) -> dict[str, Any]:
    """What a picture says of itself, by name: of another tool's no more than it wrote, never our defaults for the rest."""
    if said.params is None:
        return {}
    ours = said.tool == "runpodkit"
    facts = {name: value for name, value in said.info.items() if isinstance(value, str | int | float)} if ours else {}
    facts |= {name: getattr(said.params, name) for name in _FIELDS if ours or name in said.values}
    return facts | {f"extra.{name}": value for name, value in said.params.extra.items()}


def _short_names(paths: Sequence[Path]) -> list[str]:
    """File names without suffix; where two are alike, as much of the path as tells them apart."""
    made = [path.stem for path in paths]
    for depth in range(0, 20):
        counts: dict[str, int] = {}
        for name in made:
            counts[name] = counts.get(name, 0) + 1
        if max(counts.values(), default=1) == 1:
            break
        longer = ["/".join(path.absolute().parts[-1 - depth :]) for path in paths]
        made = [longer[at] if counts[name] > 1 else name for at, name in enumerate(made)]
    return made
