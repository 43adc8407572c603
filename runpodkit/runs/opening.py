"""Opening runs away from home: from a folder, a bucket, or a frozen file, to be read and nothing else.

Starts nothing, asks for no RunPod key, knows no ledger.  A bucket is reached with the S3 settings of this
machine.  What it is given may be wrong in many ways; each is told with what is there instead.
"""

from __future__ import annotations

import itertools
import os
import stat
from pathlib import Path

from runpodkit.errors import ConfigError, NoSuchKeyError, StoreError
from runpodkit.runs.joint import parts_of
from runpodkit.runs.plans import check_name
from runpodkit.runs.records import head_key, read_head
from runpodkit.runs.run import Run, opened
from runpodkit.settings import Settings
from runpodkit.storage import Store, check_key, open_bucket
from runpodkit.storage.local import LocalStore

_RUNS = "runs"
_SHOWN = 10
_MAX_NAME = 80
_LOOKED_AT = 20_000
"""Keys that are listed at most to name the runs there are."""


def open_place(where: str | Path) -> Run | None:
    """The run that lies at a place; None if `where` names a run and no place.

    Args:
        where: A folder `…/runs/<name>`, an address `s3://<bucket>/…/runs/<name>`, or a `.zip` by `run.freeze`.

    Raises:
        StoreError: no run is there, or it cannot be read; the message says what is there.
        ConfigError: a bucket is meant, and no keys for it are configured.
        ValueError: neither a place nor the name of a run.
    """
    try:
        return _open(where)
    except OSError as exc:
        raise StoreError(f"{where} cannot be looked at: {exc.strerror or exc}") from None


def _open(where: str | Path) -> Run | None:
    text = str(where)
    scheme = text.partition(":")[0].lower()
    if scheme == "s3":
        return _in_bucket(text)
    if "://" in text or (scheme in ("http", "https") and ":/" in text):
        raise ValueError(
            f"{text!r}: open_run takes a run's name, a folder, s3://… or a .zip; download it, then open it"
        )
    path = Path(where).expanduser()
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        kind = 0
    if kind == stat.S_IFDIR and (_is_place(where) or (path / "run.json").is_file()):
        return _in_folder(path)
    if kind != stat.S_IFDIR and text.lower().endswith(".zip"):
        return _in_zip(path)
    if kind == stat.S_IFREG:
        raise StoreError(f"{path.absolute()} is a file: give a run's folder, …/runs/<name>, or a .zip by run.freeze")
    if not _is_place(where):
        check_name(text)
        return None
    if path.parent.name == _RUNS and path.parent.is_dir():
        raise _no_run(LocalStore(path.parent.parent), str(path.absolute()))
    raise StoreError(f"there is no folder {path.absolute()}: a run's folder is …/runs/<name>")


def _is_place(where: str | Path) -> bool:
    """Whether a path is meant: a run's name holds no separator."""
    return isinstance(where, Path) or os.sep in where or where in (".", "..") or where.startswith("~")


def _in_folder(path: Path) -> Run:
    folder = Path(os.path.abspath(path))  # not resolved: `runs` may be a link to another disk
    if folder.parent.name != _RUNS and path.resolve().parent.name == _RUNS:
        folder = path.resolve()
    if folder.parent.name == _RUNS and (folder / "run.json").is_file():
        return _read(LocalStore(folder.parent.parent), folder.name, str(folder))
    if (folder / "run.json").is_file():
        raise StoreError(
            f"{folder} is a run's folder outside of its store: its pictures lie beside `{_RUNS}`. Copy the store's "
            f"folder, or `{_RUNS}/{folder.name}` and `images` together; run.freeze makes one file of a run"
        )
    for root in (folder, folder.parent):
        if (root / _RUNS).is_dir() and (root == folder or folder.name == _RUNS):
            return _too_high(LocalStore(root), str(folder), str(root / _RUNS))
    if folder.parent.name == _RUNS:
        raise _no_run(LocalStore(folder.parent.parent), str(folder))
    raise StoreError(f"{folder} holds no run: a run's folder is …/runs/<name> and holds run.json")


def _in_bucket(text: str) -> Run:
    address = text[len("s3:") :]
    if not address.startswith("//"):
        raise ValueError(f"{text!r}: give the address as text, s3://<bucket>/runs/<name>; a Path loses a slash")
    bucket, _, rest = address[2:].partition("/")
    if not bucket:
        raise ValueError(f"{text!r}: there is no bucket in it; it is s3://<bucket>/runs/<name>")
    parts = rest.strip("/").split("/") if rest.strip("/") else []
    if parts and parts[-1].lower().endswith(".zip"):
        raise ValueError(f"{text!r}: a frozen run is opened from a file; download it first")
    root = parts[:-2] if parts[-2:-1] == [_RUNS] else parts[:-1] if parts[-1:] == [_RUNS] else parts
    try:
        settings = Settings.for_bucket(bucket)
        store = open_bucket(settings, bucket, check_key("/".join(root)) if root else "")
    except ConfigError as exc:
        raise ConfigError(f"{text}: {exc}") from None
    own = settings.s3_prefix.strip("/")
    hint = (
        f"; S3_PREFIX is {own}, so your own are at s3://{bucket}/{own}/runs/<name>"
        if own not in ("", "/".join(root))
        else ""
    )
    if parts[-2:-1] == [_RUNS]:
        return _read(store, parts[-1], text, hint)
    return _too_high(store, text, "/".join([f"s3://{bucket}", *root, _RUNS]), hint)


def _in_zip(path: Path) -> Run:
    from runpodkit.storage.zipped import ZipStore

    store = ZipStore(path)
    name = store.about.get("run")
    if not isinstance(name, str) or len(name) > _MAX_NAME:
        raise StoreError(f"{path} was not made by run.freeze: it does not say which run it holds")
    return _read(store, name, str(path))


def _read(store: Store, name: str, place: str, hint: str = "") -> Run:
    """The run of that name in a store.

    Args:
        place: What the person gave, for messages.
        hint: Where else to look if none is there.
    """
    check_name(name)
    try:
        head, state = read_head(store, name)
    except NoSuchKeyError:
        raise _no_run(store, place, hint) from None
    except StoreError as exc:
        raise StoreError(f"{place}: {exc}") from None
    if head.name != name:
        raise StoreError(f"{place} holds the run {head.name!r}: give its folder that name again, then open it")
    try:
        parts = parts_of(head)
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise StoreError(f"{place}: its parts cannot be read from {head_key(name)}: {exc}") from None
    for part in parts:
        try:
            store.get(head_key(check_name(part.run)))
        except NoSuchKeyError:
            raise StoreError(
                f"{place} was drawn on several endpoints, each in a run of its own, and runs/{part.run} is not there: "
                "copy it as well"
            ) from None
    return opened(head, store, state=state)


def _no_run(store: Store, place: str, hint: str = "") -> StoreError:
    names = _names(store)
    return StoreError(f"no run is at {place}" + (f"; runs there: {names}" if names else ", nor beside it") + hint)


def _too_high(store: Store, place: str, runs: str, hint: str = "") -> Run:
    """Say which runs are below a place that is none itself."""
    if names := _names(store):
        raise StoreError(f"{place} holds runs, give one of them: {runs}/<name>, with {names}")
    raise StoreError(f"{place} holds no run: a run lies at …/runs/<name> and holds run.json{hint}")


def _names(store: Store) -> str:
    """The runs of a store, a few of them, in words; parts of a joint run go without saying."""
    keys = itertools.islice(store.keys(f"{_RUNS}/"), _LOOKED_AT)
    names = [key.split("/")[1] for key in keys if key.count("/") == 2 and key.endswith("/run.json")]
    whole = [name for name in names if name.partition("--")[0] == name or name.partition("--")[0] not in names]
    more = f" and {len(whole) - _SHOWN} more" if len(whole) > _SHOWN else ""
    return ", ".join(whole[:_SHOWN]) + more
