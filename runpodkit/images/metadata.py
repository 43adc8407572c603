"""A picture's parameters inside the picture: put there without touching a pixel, and read back.

Three texts: `parameters`, which other tools read; `runpodkit`, the full record as JSON; and the
IPTC mark of AI-made media as XMP.  PNG takes them as text chunks after its header, JPEG as EXIF
UserComment, an APP15 segment and XMP.  WebP, GIF and AVIF are left as they are for now.  So is a
picture that carries a C2PA manifest, whose signature covers the bytes we would add to.

Registered secrets are taken out of every text, links lose their query, and pictures inside the
parameters (an edit's input) become their hash.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from PIL import Image

from runpodkit.errors import OutputError
from runpodkit.images import containers, infotext
from runpodkit.logs import redact
from runpodkit.params import ImageParams

if TYPE_CHECKING:
    from runpodkit.prompts import SentPrompt

VERSION = 1
"""Of the JSON under `runpodkit`; a reader refuses what is newer than it knows."""
AI_MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""Source: IPTC NewsCodes, Digital Source Type."""

MAX_TEXT = 4 * 2**20
"""Bytes of one text in a foreign picture; longer ones are not read."""
_XMP_KEYWORD = "XML:com.adobe.xmp"
_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_EXIF_PREFIX = b"Exif\0\0"
_OUR_PREFIX = b"runpodkit\0"
_SEGMENT = 65_000
_USER_COMMENT, _EXIF_IFD, _SOFTWARE = 0x9286, 0x8769, 0x0131
_SOFTWARE_NAME = b"runpodkit"


def embed(data: bytes, params: ImageParams, sent: SentPrompt, info: Mapping[str, Any]) -> bytes:
    """The same picture with its parameters inside; doing it twice leaves the second.

    A `parameters` text or EXIF block that the worker wrote stays: it knows its model's hash.

    Args:
        data: A whole PNG or JPEG; any other picture is returned unchanged.
        params: Resolved, with a real seed.
        sent: The words that went out.
        info: What else to remember (`model`, job id, times, cost …), values that JSON can hold.
    """
    form = containers.sniff(data)
    if form not in ("png", "jpeg"):
        return data
    record = {
        "version": VERSION,
        **_portable(params),
        "sent": {"prompt": sent.prompt, "negative_prompt": sent.negative_prompt},
        "info": dict(info),
    }
    ours = redact(json.dumps(record, ensure_ascii=False, separators=(",", ":"), default=str))
    text = redact(infotext.write_infotext(params, sent.prompt, sent.negative_prompt, info))
    try:
        return (_embed_png if form == "png" else _embed_jpeg)(data, _encodable(text), _encodable(ours))
    except ValueError as exc:
        raise OutputError(f"the {form} is cut short or broken: no text can be put into it") from exc


def read_metadata(source: Path | str | bytes) -> ImageParams:
    """The parameters a picture was made with: from our own record, else from its `parameters` text.

    Args:
        source: A path, or the bytes of a picture.

    Raises:
        ValueError: the picture carries no parameters, or ones outside the bounds of their fields.
        OutputError: it is not a picture we read.
    """
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    form = containers.sniff(data)
    if form is None:
        raise OutputError(f"not a picture: {containers.describe(data)}")
    try:
        texts = _texts(data, form)
    except ValueError as exc:
        raise OutputError(f"the {form} is cut short or broken") from exc
    if "runpodkit" in texts:
        return _from_record(texts["runpodkit"])
    if "parameters" in texts:
        return infotext.read_infotext(texts["parameters"])
    raise ValueError("the picture carries no parameters: it was saved without them, or a site removed them")


# PNG ---------------------------------------------------------------------------------------------


def _embed_png(data: bytes, text: str, ours: str) -> bytes:
    carried: dict[str, str] = {}
    parts = list(containers.png_chunks(data))
    if any(part.kind == b"caBX" for part in parts):
        return data
    for part in parts:
        if keyword := _keyword(data, part):
            carried[keyword] = _png_text(data, part)
    replaced = {"runpodkit", _XMP_KEYWORD}
    if carried.get("parameters", infotext.SIGNATURE).rstrip().endswith(infotext.SIGNATURE):
        replaced.add("parameters")
    kept = [(part.start, part.end) for part in parts[1:] if _keyword(data, part) not in replaced]
    chunks = [_text_chunk("parameters", text)] if "parameters" in replaced else []
    chunks += [_text_chunk("runpodkit", ours), _text_chunk(_XMP_KEYWORD, _marked(carried.get(_XMP_KEYWORD, "")), True)]
    return b"".join([data[: parts[0].end], *chunks, *_slices(data, kept), data[parts[-1].end :]])


def _text_chunk(keyword: str, text: str, international: bool = False) -> bytes:
    """tEXt where Latin-1 can say it, since the oldest readers know only that; else iTXt."""
    if not international:
        try:
            return containers.png_chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1"))
        except UnicodeEncodeError:
            pass
    return containers.png_chunk(b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8"))


def _keyword(data: bytes, part: containers.Part) -> str | None:
    if part.kind not in (b"tEXt", b"zTXt", b"iTXt"):
        return None
    return data[part.body : min(part.body_end, part.body + 80)].split(b"\0", 1)[0].decode("latin-1")


def _png_text(data: bytes, part: containers.Part) -> str:
    """What a text chunk says; an empty text where it cannot be read or is beyond the bound."""
    if part.body_end - part.body > MAX_TEXT:
        return ""
    _, _, body = data[part.body : part.body_end].partition(b"\0")
    if part.kind == b"tEXt":
        return body.decode("latin-1")
    if part.kind == b"zTXt":
        return _inflated(body[1:]).decode("latin-1")
    compressed, rest = body[:1] == b"\1", body[2:]
    text = rest.split(b"\0", 2)[-1]
    return (_inflated(text) if compressed else text).decode("utf-8", "replace")


def _inflated(body: bytes) -> bytes:
    try:
        inflater = zlib.decompressobj()
        text = inflater.decompress(body, MAX_TEXT)
    except zlib.error:
        return b""
    return b"" if inflater.unconsumed_tail else text


# JPEG --------------------------------------------------------------------------------------------


def _embed_jpeg(data: bytes, text: str, ours: str) -> bytes:
    parts = list(containers.jpeg_segments(data))
    bodies = [data[part.body : part.body_end] for part in parts]
    if any(part.kind == b"\xeb" and b"jumb" in body[:64] for part, body in zip(parts, bodies, strict=True)):
        return data
    xmp, exif, kept = "", False, []
    for part, body in zip(parts, bodies, strict=True):
        if part.kind == b"\xef" and body.startswith(_OUR_PREFIX):
            continue
        if part.kind == b"\xe1" and body.startswith(_XMP_PREFIX):
            xmp = body.removeprefix(_XMP_PREFIX).decode("utf-8", "replace")
            continue
        if part.kind == b"\xe1" and body.startswith(_EXIF_PREFIX):
            if _SOFTWARE_NAME in body[:256]:
                continue
            exif = True
        kept.append((part.start, part.end))
    # JFIF wants to be first; EXIF readers look right behind it
    first = 1 if parts[0].kind == b"\xe0" and parts[0].start == kept[0][0] else 0
    segments = [] if exif else _exif_segments(text)
    segments += _our_segments(ours.encode())
    marked = _marked(xmp).encode()
    if len(marked) <= _SEGMENT:
        segments.append(containers.jpeg_segment(0xE1, _XMP_PREFIX + marked))
    return b"".join(
        [data[:2], *_slices(data, kept[:first]), *segments, *_slices(data, kept[first:]), data[parts[-1].end :]]
    )


def _exif_segments(text: str) -> list[bytes]:
    """EXIF with the text as UserComment, UTF-16 big-endian under `UNICODE`, as other tools write and read it."""
    exif = Image.Exif()
    exif.endian = ">"
    exif[_SOFTWARE] = _SOFTWARE_NAME.decode()
    exif.get_ifd(_EXIF_IFD)[_USER_COMMENT] = b"UNICODE\0" + text.encode("utf-16-be")
    block = exif.tobytes()
    block = block if block.startswith(_EXIF_PREFIX) else _EXIF_PREFIX + block
    return [containers.jpeg_segment(0xE1, block)] if len(block) <= _SEGMENT else []


def _our_segments(record: bytes) -> list[bytes]:
    """Our JSON in as many APP15 segments as it takes, each with its number and their count."""
    pieces = [record[at : at + _SEGMENT] for at in range(0, len(record), _SEGMENT)]
    if len(pieces) > 255:
        return []
    return [
        containers.jpeg_segment(0xEF, _OUR_PREFIX + bytes([number, len(pieces)]) + piece)
        for number, piece in enumerate(pieces, start=1)
    ]


# reading -----------------------------------------------------------------------------------------


def _texts(data: bytes, form: str) -> dict[str, str]:
    """The texts we know how to use, by keyword."""
    if form == "png":
        parts = containers.png_chunks(data)
        wanted = ((_keyword(data, part), part) for part in parts)
        return {name: _png_text(data, part) for name, part in wanted if name in ("parameters", "runpodkit")}
    texts: dict[str, str] = {}
    if form == "jpeg":
        pieces: dict[int, bytes] = {}
        for part in containers.jpeg_segments(data):
            body = data[part.body : part.body_end]
            if part.kind == b"\xef" and body.startswith(_OUR_PREFIX) and len(body) > len(_OUR_PREFIX) + 2:
                pieces[body[len(_OUR_PREFIX)]] = body[len(_OUR_PREFIX) + 2 :]
        if pieces:
            texts["runpodkit"] = b"".join(pieces[number] for number in sorted(pieces)).decode("utf-8", "replace")
    if comment := _user_comment(data, form):
        texts["parameters"] = comment
    return texts


def _user_comment(data: bytes, form: str) -> str:
    try:
        raw = containers.open_picture(data, form).getexif().get_ifd(_EXIF_IFD).get(_USER_COMMENT)
    except Exception:  # foreign EXIF is broken in many ways, and then it says nothing
        return ""
    if not isinstance(raw, bytes) or len(raw) > MAX_TEXT:
        return ""
    code, body = raw[:8], raw[8:]
    if code == b"UNICODE\0":
        # the byte order is nobody's promise: in either, most high bytes are zero
        little = body[1::2].count(0) > body[0::2].count(0)
        return body.decode("utf-16-le" if little else "utf-16-be", "replace").strip("\0 ")
    return body.decode("utf-8", "replace").strip("\0 ") if code in (b"ASCII\0\0\0", b"\0" * 8) else ""


def _from_record(text: str) -> ImageParams:
    try:
        record = json.loads(text)
        version, values, marked = record["version"], dict(record["params"]), set(record["set"])
    except (ValueError, TypeError, KeyError, RecursionError) as exc:
        raise ValueError("the picture's runpodkit record is broken") from exc
    if not isinstance(version, int) or version > VERSION:
        raise ValueError(f"the picture's record has version {version!r}, this runpodkit knows {VERSION}: upgrade it")
    fields = ImageParams.model_fields
    # what was not set and is still the default stays unset: only what a person set can be refused by a dialect
    kept = {name: value for name, value in values.items() if name in marked or value != _default(fields.get(name))}
    return ImageParams(**kept)


def _default(field: Any) -> Any:
    return None if field is None else field.get_default(call_default_factory=True)


# what goes in ------------------------------------------------------------------------------------


def _portable(params: ImageParams) -> dict[str, Any]:
    """Parameters as JSON values, without what must not travel inside a picture."""
    values = params.model_dump(mode="json")
    marked = sorted(params.model_fields_set)
    picture = values.get("input_image")
    if isinstance(picture, str) and (picture[:5].lower() == "data:" or len(picture) > 1000):
        values["input_image"] = None
        values_sha = hashlib.sha256(picture.encode("utf-8", "replace")).hexdigest()
        return {"params": values, "set": marked, "input_image_sha256": values_sha}
    if isinstance(picture, str) and "://" in picture:
        scheme, host, path, _, _ = urlsplit(picture)
        values["input_image"] = urlunsplit((scheme, host.rpartition("@")[2], path, "", ""))
    return {"params": values, "set": marked}


def _encodable(text: str) -> str:
    """Without NUL, which ends a text in both containers, and without halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def _marked(xmp: str) -> str:
    """An XMP packet that says the picture was made by a trained model; an existing one is added to."""
    statement = (
        '<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<Iptc4xmpExt:DigitalSourceType>{AI_MADE}</Iptc4xmpExt:DigitalSourceType></rdf:Description>"
    )
    if "DigitalSourceType" in xmp:
        return xmp
    head, closing, tail = xmp.rpartition("</rdf:RDF>")
    if closing and len(xmp) < _SEGMENT - 1000:
        return f"{head}{statement}{closing}{tail}"
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{statement}</rdf:RDF>'
        '</x:xmpmeta><?xpacket end="w"?>'
    )


def _slices(data: bytes, spans: list[tuple[int, int]]) -> Iterator[bytes]:
    """The spans of `data`, neighbours taken in one piece."""
    start = end = 0
    for left, right in spans:
        if left != end:
            yield data[start:end]
            start = left
        end = right
    yield data[start:end]
