"""Over two hundred answers that are broken in one way each: names and bytes, the same on every machine."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGNwSGgAAAG0AQGlCHVAAAAAAElFTkSuQmCC")
B64 = base64.b64encode(PNG).decode()
WHOLE: dict[str, Any] = {
    "id": "job-1",
    "status": "COMPLETED",
    "delayTime": 824,
    "executionTime": 3391,
    "workerId": "w-1",
    "output": {"images": [{"image": B64, "seed": 7}], "cost": 0.01},
}
ODD: dict[str, Any] = {
    "null": None, "true": True, "zero": 0, "minus one": -1, "half": 0.5, "huge": 10**400, "tiny": 5e-324, "empty text": "",
    "blank": " ", "text": "word", "nul": "a\0b", "line ends": "a\r\nb", "path": "../../etc/passwd", "markup": "<b onload=x>",
    "emoji": "🙂" * 50, "right to left": "\u202egnp.exe", "empty list": [], "list": [1, 2], "nested": [[[[[[]]]]]],
    "empty object": {}, "object": {"a": {"b": 1}}, "long": "x" * 100_000, "digits": "9" * 5_000,
}  # fmt: skip
"""Values where others are expected."""


def corpus() -> dict[str, bytes]:
    """Every broken answer by name."""
    answers: dict[str, bytes] = {}
    for family in (
        _cut,
        _other_types,
        _other_outputs,
        _not_json,
        _numbers,
        _deep,
        _statuses,
        _encodings,
        _pictures,
        _large,
    ):
        for name, answer in family():
            assert name not in answers, name
            answers[name] = answer
    return answers


def _text(**changes: Any) -> bytes:
    return json.dumps(WHOLE | changes).encode()


def _cut() -> Iterator[tuple[str, bytes]]:
    whole = json.dumps(WHOLE).encode()
    for at in range(0, len(whole), len(whole) // 40):
        yield f"cut after {at} bytes", whole[:at]
    yield "twice", whole + whole
    yield "text behind", whole + b"\nlog line"
    yield "text before", b"ok " + whole


def _other_types() -> Iterator[tuple[str, bytes]]:
    for field in ("id", "status", "delayTime", "executionTime", "workerId", "error"):
        for kind, value in ODD.items():
            yield f"{field} is {kind}", _text(**{field: value})
    for field in ("id", "status"):
        yield f"no {field}", json.dumps({name: value for name, value in WHOLE.items() if name != field}).encode()
    for kind, value in ODD.items():
        yield f"the whole answer is {kind}", json.dumps(value).encode()


def _other_outputs() -> Iterator[tuple[str, bytes]]:
    for kind, value in ODD.items():
        yield f"output is {kind}", _text(output=value)
        yield f"images is {kind}", _text(output={"images": value})
        yield f"image is {kind}", _text(output={"image": value, "seed": value, "cost": value, "error": None})
    for kind in ("list", "object", "true", "long"):
        yield f"error in output is {kind}", _text(output={"error": ODD[kind], "image": B64})


def _not_json() -> Iterator[tuple[str, bytes]]:
    yield "nothing", b""
    yield "blanks", b" \r\n\t "
    yield "html", b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Bad gateway</h1></body></html>"
    yield "plain text", b"upstream connect error or disconnect/reset before headers"
    yield "json with single quotes", b"{'id': 'job-1', 'status': 'COMPLETED'}"
    yield "trailing comma", b'{"id":"job-1","status":"COMPLETED",}'
    yield "comments", b'{"id":"job-1",/* here */"status":"COMPLETED"}'
    yield "json lines", b'{"id":"job-1"}\n{"status":"COMPLETED"}'
    yield "same name twice", b'{"id":"job-1","status":"FAILED","status":"COMPLETED","output":1}'
    yield "png itself", PNG
    yield "zip", b"PK\x03\x04" + bytes(200)
    yield "gzip", b"\x1f\x8b\x08" + bytes(200)
    yield "every byte", bytes(range(256))


def _numbers() -> Iterator[tuple[str, bytes]]:
    for word in (
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"1E400",
        b"0x10",
        b"01",
        b"1_000",
        b"9" * 5000,
    ):
        yield (
            f"delayTime {word[:12].decode()} ({len(word)})",
            b'{"id":"job-1","status":"COMPLETED","delayTime":%s}' % word,
        )
        yield (
            f"cost {word[:12].decode()} ({len(word)})",
            b'{"id":"job-1","status":"COMPLETED","output":{"cost":%s}}' % word,
        )


def _deep() -> Iterator[tuple[str, bytes]]:
    for depth in (50, 900, 5_000, 200_000):
        yield f"{depth} lists deep", b"[" * depth + b"]" * depth
        yield (
            f"output {depth} lists deep",
            b'{"id":"job-1","status":"COMPLETED","output":%s}' % (b"[" * depth + b"]" * depth),
        )
        yield f"output {depth} objects deep", b'{"id":"job-1","status":"COMPLETED","output":%s1%s}' % (
            b'{"images":' * depth, b"}" * depth,
        )  # fmt: skip
        yield f"{depth} opened and never closed", b'{"id":' * depth


def _statuses() -> Iterator[tuple[str, bytes]]:
    for status in ("ARCHIVED", "completed", "COMPLETED ", "RETRYING", "IN_QUEUE\0", "UNKNOWN", "ЗАВЕРШЕНО", "🙂"):
        yield f"status {status!r}", _text(status=status)


def _encodings() -> Iterator[tuple[str, bytes]]:
    whole = json.dumps(WHOLE)
    for name in ("utf-16", "utf-32", "utf-8-sig"):
        yield name, whole.encode(name)
    yield "half of a surrogate pair", b'{"id":"job-1","status":"FAILED","error":"\\ud800"}'
    yield (
        "half of a pair in output",
        b'{"id":"job-1","status":"COMPLETED","output":{"image":"\\udfff","message":"\\ud83d"}}',
    )
    yield "half of a pair in id", b'{"id":"\\ud800","status":"COMPLETED"}'
    yield "half of a pair in status", b'{"id":"job-1","status":"\\ud800"}'
    yield "half of a pair in worker", b'{"id":"job-1","status":"FAILED","workerId":"\\ud800","error":"x"}'
    yield "not utf-8", b'{"id":"job-1","status":"FAILED","error":"\xff\xfe\xc3"}'
    yield "overlong utf-8", b'{"id":"job-1","status":"FAILED","error":"\xc0\xaf"}'
    yield "error is cut JSON in a string", _text(status="FAILED", error='{"error_type": "<class')
    yield "error is deep JSON in a string", _text(status="FAILED", error="[" * 50_000)
    yield "error without its message", _text(status="FAILED", error='{"error_message": null, "error_traceback": 3}')


def _pictures() -> Iterator[tuple[str, bytes]]:
    ends: dict[str, Any] = {
        "cut base64": B64[:70],
        "base64 of text": base64.b64encode(b"hello " * 40).decode(),
        "base64 with stars": B64[:80] + "*" * 40,
        "base64 in lines": "\n".join(B64[i : i + 10] for i in range(0, len(B64), 10)) * 2,
        "data URI of text": "data:text/html;base64," + base64.b64encode(b"<script>").decode(),
        "data URI without base64": "data:image/png,%89PNG",
        "data URI cut": "data:image/png;base64",
        "file address": "file:///etc/passwd",
        "ftp address": "ftp://example.org/a.png",
        "address of this machine": "http://127.0.0.1:1/a.png",
        "metadata address": "http://169.254.169.254/latest/meta-data",
        "address with a key": "https://user:secret@example.org/a.png",
        "dead path": "simulated_uploaded/0.png",
        "png with a lying size": base64.b64encode(PNG[:16] + b"\x7f\xff\xff\xff\x7f\xff\xff\xff" + PNG[24:]).decode(),
        "png without its end": base64.b64encode(PNG[:-14] + bytes(30)).decode(),
        "svg": base64.b64encode(b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>').decode(),
    }  # fmt: skip
    for name, value in ends.items():
        yield name, _text(output={"images": [value]})
    yield "ten thousand pictures", _text(output={"images": [B64] * 10_000})
    yield "pictures in pictures", _text(output={"images": [{"image": {"data": {"url": {"image": B64}}}}]})


def _large() -> Iterator[tuple[str, bytes]]:
    yield "50 MB of base64", b'{"id":"job-1","status":"COMPLETED","output":{"image":"%s"}}' % (b"A" * 50_000_000)
    yield "50 MB of error", b'{"id":"job-1","status":"FAILED","error":"%s"}' % (b"e" * 50_000_000)
    yield "50 MB of nothing", b" " * 50_000_000
    yield (
        "a million keys",
        b'{"id":"job-1","status":"COMPLETED","output":{%s}}'
        % b",".join(b'"k%d":1' % number for number in range(300_000)),
    )
