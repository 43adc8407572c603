"""Canary secrets: made-up keys that are looked for wherever a key must not be, in every way it could be spelled."""

from __future__ import annotations

import base64
import contextlib
import html
import io
import json
import os
import secrets
import threading
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import quote, quote_plus

_SHOWN = 60


def new_canary(name: str, *, plain: bool = False) -> str:
    """A secret that is there once in the world; unless `plain`, with letters that URLs, HTML and Base64 spell their way."""
    return f"canary-{name}-{secrets.token_hex(8)}" + ("" if plain else "+&/=x")


def spellings(secret: str) -> set[bytes]:
    """How a secret may stand in a file, a message or an address."""
    raw = secret.encode()
    words = {
        secret,
        quote(secret, safe=""),
        quote_plus(secret),
        quote(secret),
        json.dumps(secret)[1:-1],
        json.dumps(secret)[1:-1].replace("/", "\\/"),
        html.escape(secret),
        secret.replace("&", "\\u0026"),
        repr(secret)[1:-1],
        raw.hex(),
        raw.hex().upper(),
    }
    for shift in range(3):  # Base64 of a text that holds it anywhere: what is steady of the three alignments
        inner = base64.b64encode(b"\0" * shift + raw).decode()[4 if shift else 0 : len(raw) // 3 * 4 - 4]
        words |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {word.encode() for word in words} | {secret.encode("utf-16-le")}


class Hunt:
    """Looks for canaries in whatever it is shown, inside archives and compressed text too, and keeps what it found."""

    def __init__(self, canaries: Mapping[str, str]) -> None:
        self._wanted = {name: spellings(secret) for name, secret in canaries.items()}
        self.found: list[str] = []
        self.looked_at = 0

    def look(self, where: str, data: bytes) -> None:
        self.looked_at += 1
        for layer in _layers(data):
            for name, words in self._wanted.items():
                for word in words:
                    at = layer.find(word)
                    if at >= 0:
                        around = layer[max(0, at - _SHOWN) : at + len(word) + _SHOWN]
                        self.found.append(f"{name} in {where}: {around!r}")
                        break

    def look_in_folder(self, folder: Path, but: Iterable[Path] = ()) -> set[str]:
        """Every file below `folder`, by content and by name; gives the names of those that were looked at."""
        left_out, seen = set(but), set()
        for path in sorted(folder.rglob("*")):
            self.look("a file's name", os.fsencode(path))
            if path in left_out or not path.is_file():
                continue
            self.look(str(path), path.read_bytes())
            seen.add(path.name)
        return seen

    def look_in_redis(self, client: object) -> int:
        """Every key of every type; gives how many."""
        count = 0
        for key in client.scan_iter(count=1000):  # type: ignore[attr-defined]
            count += 1
            self.look("the name of a key in Redis", key)
            self.look(f"Redis {key!r}", b"\n".join(values(client, key)))
        return count


def values(client: object, key: bytes) -> Iterator[bytes]:
    """What lies under a key of any type."""
    kind = client.type(key).decode()  # type: ignore[attr-defined]
    read = {
        "string": lambda: [client.get(key)],  # type: ignore[attr-defined]
        "hash": lambda: [part for pair in client.hgetall(key).items() for part in pair],  # type: ignore[attr-defined]
        "list": lambda: client.lrange(key, 0, -1),  # type: ignore[attr-defined]
        "set": lambda: client.smembers(key),  # type: ignore[attr-defined]
        "zset": lambda: client.zrange(key, 0, -1),  # type: ignore[attr-defined]
        "stream": lambda: [
            part
            for _, fields in client.xrange(key)  # type: ignore[attr-defined]
            for pair in fields.items()
            for part in pair
        ],
    }
    yield from (value for value in read[kind]() if value is not None)


def _layers(data: bytes) -> Iterator[bytes]:
    """The bytes, and what is packed in them: members of a zip, compressed text of a PNG."""
    yield data
    if data[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for name in packed.namelist():
                yield name.encode()
                yield from _layers(packed.read(name))
    elif data[:8] == b"\x89PNG\r\n\x1a\n":
        at = 8
        while at + 8 <= len(data):
            length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            if kind in (b"zTXt", b"iTXt", b"iCCP"):
                start = data.find(b"\x78", at + 8, at + 8 + length)
                if start >= 0:
                    with contextlib.suppress(zlib.error):
                        yield zlib.decompressobj().decompress(data[start : at + 8 + length])
            at += 12 + length


class ProcessList:
    """Collects every command line of this machine while something runs, as anybody on it could."""

    def __init__(self) -> None:
        self.lines: set[bytes] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._stop.wait(0.02):
            for entry in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.lines.add(entry.read_bytes())
                except OSError:
                    continue

    def __enter__(self) -> ProcessList:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
