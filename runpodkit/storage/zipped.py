"""A store in one `.zip` file: written once, whole or not at all, then only read.

Every value is a member under its own key, so any tool unpacks the file into what a folder
store has.  `manifest.json`, the last member, lists all others with their size and sha256,
and each is checked when it is read.  That tells damage, not forgery: who changes a member
can change the manifest.

Whoever made the file may mean harm: names are keys or the file is refused, and sizes are
bounded before anything is unpacked.  Equal values give equal bytes, whenever and wherever
they are written by the same zlib.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import hashlib
import io
import json
import os
import secrets
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runpodkit.errors import NoSuchKeyError, StoreError
from runpodkit.storage import LINK_S, check_key, check_lasts, check_prefix, is_key

MANIFEST = "manifest.json"
FORMAT = "runpodkit store"
VERSION = 1
MAX_FILES = 250_000
MAX_DIRECTORY_BYTES = 48 * 2**20
"""Of the list of members at the end of the file, which is read as a whole."""
MAX_STORED_BYTES = 256 * 2**20
"""Of a member that is as long in the file as unpacked."""
MAX_PACKED_BYTES = 64 * 2**20
"""Of a compressed member, unpacked."""
MAX_UNPACKED_BYTES = 1024 * 2**20
"""Of all compressed members together, unpacked."""
_AS_THEY_ARE = (".avif", ".gif", ".jpeg", ".jpg", ".png", ".webp", ".zip")  # compressed already
_LEVEL = 6
_BEGINNING = (1980, 1, 1, 0, 0, 0)
_LOCAL_HEADER = struct.Struct("<4s22x2H")  # signature, …, length of the name, length of the extra field
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class _Place(NamedTuple):
    """Where a member lies in the file."""

    offset: int
    packed: int
    size: int
    crc: int
    compressed: bool


class ZipStore:
    """A store that is read from a file made by `write_zip`; nothing can be put into it.

    The file is opened anew for each value, so there is nothing to close, and threads and forks may share it.

    Raises:
        StoreError: no such file, none of ours, cut, changed, or made to do harm.
    """

    describe = "zip"

    def __init__(self, file: Path) -> None:
        self.file = file.expanduser().absolute()
        self._places = _members(self.file)
        told = self._manifest()
        self.about: Mapping[str, Any] = told["about"]
        """What the writer said of the whole."""
        self._files: Mapping[str, Any] = told["files"]
        self._keys = sorted(self._files)

    def __repr__(self) -> str:
        return f"ZipStore({str(self.file)!r})"

    def put(self, key: str, data: bytes, content_type: str | None = None) -> None:
        raise StoreError(f"cannot store key {check_key(key)!r}: {self.file.name} can only be read")

    def get(self, key: str) -> bytes:
        if check_key(key) not in self._files:
            raise NoSuchKeyError(f"cannot read key {key!r}: there is no such key in {self.file}")
        data = self._read(key)
        if hashlib.sha256(data).hexdigest() != self._files[key]["sha256"]:
            raise StoreError(
                f"cannot read key {key!r}: it was changed since {self.file} was written; get the file anew"
            )
        return data

    def keys(self, prefix: str = "") -> Iterator[str]:
        check_prefix(prefix)
        return self._from(prefix)

    def delete(self, key: str) -> None:
        raise StoreError(f"cannot delete key {check_key(key)!r}: {self.file.name} can only be read")

    def url(self, key: str, lasts_s: int = LINK_S) -> str:
        check_lasts(lasts_s)
        raise StoreError(
            f"there is no link to key {check_key(key)!r}: it lies inside {self.file.name}; "
            "unpack that file, or save the picture"
        )

    def _from(self, prefix: str) -> Iterator[str]:
        for key in self._keys[bisect.bisect_left(self._keys, prefix) :]:
            if not key.startswith(prefix):
                return
            yield key

    def _read(self, key: str) -> bytes:
        place = self._places[key]
        try:
            with self.file.open("rb") as file:
                file.seek(place.offset)
                signature, name, extra = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                file.seek(name + extra, os.SEEK_CUR)
                packed = file.read(place.packed)
            if signature != b"PK\3\4" or len(packed) != place.packed:
                raise ValueError("nothing of it is where it should be")
            data = packed
            if place.compressed:
                unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
                data = unpacker.decompress(packed, place.size + 1)
            if len(data) != place.size or zlib.crc32(data) != place.crc:
                raise ValueError("its size or checksum is another")
        except (ValueError, OverflowError, struct.error, zlib.error) as exc:
            raise StoreError(f"cannot read key {key!r}: {self.file} was cut or changed ({exc}); get it anew") from None
        except OSError as exc:
            raise StoreError(f"cannot read key {key!r}: {exc.strerror} ({self.file})") from None
        return data

    def _manifest(self) -> dict[str, Any]:
        """What the manifest says, if it is one and lists what is there."""
        if MANIFEST not in self._places:
            raise StoreError(f"{self.file} is a zip file, but not one of ours: it holds no {MANIFEST}")
        try:
            told = dict(json.loads(self._read(MANIFEST)))
        except (ValueError, TypeError, RecursionError):
            told = {}
        if told.get("format") != FORMAT:
            raise StoreError(f"{self.file} is a zip file, but not one of ours: its {MANIFEST} is of something else")
        if told.get("version") != VERSION:
            raise StoreError(f"{self.file} was written by another version of runpodkit: update, then open it")
        files, about = told.get("files"), told.get("about")
        if not isinstance(about, dict) or not isinstance(files, dict) or not all(map(_is_told, files.values())):
            raise StoreError(f"{self.file} was changed: its {MANIFEST} lists no files; get it anew")
        others = self._places.keys() - {MANIFEST}
        odd = (others ^ files.keys()) or {key for key in others if files[key]["bytes"] != self._places[key].size}
        if odd:
            raise StoreError(f"{self.file} was cut or changed: {min(odd)!r} is not as its {MANIFEST} says; get it anew")
        return told


def _is_told(about: object) -> bool:
    """Whether this is what a manifest says of a member."""
    return isinstance(about, dict) and isinstance(about.get("sha256"), str) and isinstance(about.get("bytes"), int)


def write_zip(file: Path, items: Iterable[tuple[str, bytes]], about: Mapping[str, Any]) -> None:
    """Write a file for `ZipStore`; whole or not at all, an existing one is replaced.

    Args:
        items: Keys and values in the order they are to lie in; taken one by one, so one is in memory.
        about: Anything that JSON can hold, to be found as `ZipStore.about`.

    Raises:
        StoreError: the file cannot be written, a key is refused or comes twice, or it would be too large to be read.
    """
    file = file.expanduser().absolute()
    draft = file.with_name(f".{secrets.token_hex(8)}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("xb") as out:
            with zipfile.ZipFile(out, "w") as archive:
                _fill(archive, items, about)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
    except OSError as exc:
        why = "the disk or quota is full: make room" if exc.errno in _FULL else exc.strerror or str(exc)
        raise StoreError(f"cannot write {file}: {why}") from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _fill(archive: zipfile.ZipFile, items: Iterable[tuple[str, bytes]], about: Mapping[str, Any]) -> None:
    files: dict[str, dict[str, Any]] = {}
    unpacked = 0
    for key, data in items:
        if check_key(key) in files or key == MANIFEST:
            raise StoreError(f"key {key!r} is refused: it is there already")
        stored = key.lower().endswith(_AS_THEY_ARE)
        unpacked += 0 if stored else len(data)
        if len(data) > (MAX_STORED_BYTES if stored else MAX_PACKED_BYTES) or unpacked > MAX_UNPACKED_BYTES:
            raise StoreError(f"key {key!r} is refused: with its {len(data):,} bytes the file could not be read again")
        if len(files) >= MAX_FILES - 1:
            raise StoreError(f"more than {MAX_FILES:,} values do not go into one file")
        _add(archive, key, data, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED)
        files[key] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    told = {"format": FORMAT, "version": VERSION, "about": about, "files": files}
    manifest = json.dumps(told, ensure_ascii=False, indent=1).encode()
    if len(manifest) > MAX_PACKED_BYTES:
        raise StoreError(f"{len(files):,} values with keys of this length do not go into one file")
    _add(archive, MANIFEST, manifest, zipfile.ZIP_DEFLATED)


def _add(archive: zipfile.ZipFile, name: str, data: bytes, method: int) -> None:
    about = zipfile.ZipInfo(name, _BEGINNING)
    about.create_system = 3  # Unix, so that the mode below is read as one
    about.external_attr = (stat.S_IFREG | 0o644) << 16
    archive.writestr(about, data, method, _LEVEL)


def _members(file: Path) -> dict[str, _Place]:
    """Members by name, none of them read yet; folders are passed over.

    Raises:
        StoreError: the file cannot be read, or a member is not what `write_zip` writes.
    """
    try:
        # One buffered layer of our own, so that a list of members that claims gigabytes is refused and not read.
        with _Bounded(file) as raw, zipfile.ZipFile(raw) as archive:
            whole, infos = os.fstat(raw.fileno()).st_size, archive.infolist()
    except FileNotFoundError:
        raise StoreError(f"there is no file {file}") from None
    except OSError as exc:
        raise StoreError(f"{file} cannot be read: {exc.strerror or exc}") from None
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, NotImplementedError, struct.error) as exc:
        raise StoreError(f"{file} is not a zip file, or was cut on its way here ({exc}); get it anew") from None
    if len(infos) > MAX_FILES:
        raise StoreError(f"{file} is refused: it holds more than {MAX_FILES:,} members")
    places: dict[str, _Place] = {}
    for info in infos:
        name = info.orig_filename
        if info.is_dir() and not info.file_size and is_key(name.removesuffix("/")):
            continue
        if reason := _danger(info, name) or ("it is there twice" if name in places else None):
            raise StoreError(f"{file} is refused: member {name!r:.80}: {reason}")
        compressed = info.compress_type == zipfile.ZIP_DEFLATED
        places[name] = _Place(info.header_offset, info.compress_size, info.file_size, info.CRC, compressed)
    if sum(place.packed for place in places.values()) > whole:
        raise StoreError(f"{file} is refused: its members overlap")
    if sum(place.size for place in places.values() if place.compressed) > MAX_UNPACKED_BYTES:
        raise StoreError(f"{file} is refused: unpacked it is larger than {MAX_UNPACKED_BYTES // 2**20} MiB")
    return places


def _danger(info: zipfile.ZipInfo, name: str) -> str | None:
    """Why a member is none of ours, from what is said of it alone."""
    mode = info.external_attr >> 16
    if not is_key(name):
        return "its name is no key: it could leave the folder it is unpacked into"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "it is a link or a device, not a file"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if info.compress_type == zipfile.ZIP_STORED:
        if info.compress_size != info.file_size:
            return "it has two sizes"
        return f"it is larger than {MAX_STORED_BYTES // 2**20} MiB" if info.file_size > MAX_STORED_BYTES else None
    if info.compress_type != zipfile.ZIP_DEFLATED:
        return "it is compressed in a way that we do not write"
    larger = max(info.file_size, info.compress_size - 2**20) > MAX_PACKED_BYTES
    return f"unpacked it is larger than {MAX_PACKED_BYTES // 2**20} MiB" if larger else None


class _Bounded(io.FileIO):
    """A file that gives no more at a time than a list of members may have."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, "rb")

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("its list of members is too long")
        return super().read(size) or b""
