"""A picture's parameters inside the picture: put there without touching a pixel, and read back.

Three texts go in: `parameters`, which other tools read; `runpodkit`, the full record as JSON; and
the IPTC mark of AI-made media as XMP.  PNG takes them as text chunks, JPEG and WebP as EXIF, XMP
and a segment or chunk of our own.  GIF and AVIF are left as they are, and so is a picture that
carries a C2PA manifest, whose signature covers the bytes we would add to.

Read back is what we wrote, else what another tool did.  This is the door: containers are known
in `png_text`, `jpeg_text`, `webp_text` and `gif_text`, our JSON in `record`, others' in `foreign`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runpodkit.errors import OutputError
from runpodkit.images import containers, exif, gif_text, infotext, jpeg_text, png_text, webp_text, xmp
from runpodkit.images.foreign import read_foreign
from runpodkit.images.inscribed import RECORD, Inscription
from runpodkit.images.record import read_record, write_record
from runpodkit.images.xmp import AI_EDITED, AI_MADE
from runpodkit.logs import redact
from runpodkit.params import ImageParams, explain

if TYPE_CHECKING:
    from runpodkit.prompts import SentPrompt

MAX_BYTES = 512 * 2**20
"""Of a file that is read."""

_WRITERS: Mapping[str, Callable[[bytes, Inscription], bytes]] = {
    "png": png_text.write,
    "jpeg": jpeg_text.write,
    "webp": webp_text.write,
}


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What a picture file says of itself."""

    format: str
    """png, jpeg, webp, gif or avif."""
    width: int | None
    """Pixels, as `height`; None where the file is cut short."""
    height: int | None
    tool: str | None = None
    """What wrote the parameters; None: there are none that we can read."""
    params: ImageParams | None = None
    values: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Our fields as the picture has them, unchecked: for what lies outside our bounds."""
    problem: str | None = None
    """Why there are no `params`."""
    sent: SentPrompt | None = None
    """The words that went out, where our record has them."""
    info: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What else our record knows: run, trial, model, job id, whether simulated."""
    input_image_sha256: str | None = None
    source_type: str | None = None
    """The IPTC digital source type: `trainedAlgorithmicMedia` for what a model drew."""
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Every text in the file by its keyword, whoever wrote it."""

    def as_json(self) -> dict[str, Any]:
        """All of it as values that JSON can hold; `params` as they are set."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        plain["params"] = self.params and self.params.model_dump(mode="json", exclude_unset=True)
        plain["sent"] = self.sent and self.sent._asdict()
        return plain


def embed(
    data: bytes, params: ImageParams, sent: SentPrompt, info: Mapping[str, Any], *, ai_mark: bool = True
) -> bytes:
    """The same picture with its parameters inside; doing it twice leaves the second.

    A `parameters` text, EXIF comment or source type that the worker wrote stays: it knows its model's hash.

    Args:
        data: A whole PNG, JPEG or WebP; any other picture is returned unchanged.
        params: Resolved, with a real seed.
        sent: The words that went out.
        info: What else to remember (`model`, job id, times, cost …), values that JSON can hold.
        ai_mark: Say in the picture that a trained model made it, or had a part in it where it is an edit.

    Raises:
        OutputError: the picture is cut short or broken.
    """
    form = containers.sniff(data)
    if form is None or form not in _WRITERS:
        return data
    term = (AI_EDITED if params.input_image else AI_MADE) if ai_mark else None
    text = redact(infotext.write_infotext(params, sent.prompt, sent.negative_prompt, info))
    inscription = Inscription(_encodable(text), _encodable(write_record(params, sent, info)), term)
    try:
        return _WRITERS[form](data, inscription)
    except ValueError as exc:
        raise OutputError(f"the {form} is cut short or broken: no text can be put into it") from exc


def read_metadata(source: Path | str | bytes) -> ImageParams:
    """The parameters a picture was made with, by our own record or by what another tool wrote.

    Others that are read: A1111, Forge, SD.Next, ComfyUI, InvokeAI, NovelAI, Fooocus, SwarmUI, Easy Diffusion
    and Draw Things, in whatever container they write.  Where they say no size, it is the picture's.

    Args:
        source: A path, or the bytes of a picture.

    Raises:
        ValueError: the picture carries no parameters, or ones outside the bounds of their fields.
        OutputError: it is not a picture we read.
    """
    facts = read_facts(source)
    if facts.params is None:
        raise ValueError(facts.problem)
    return facts.params


def read_texts(source: Path | str | bytes) -> dict[str, str]:
    """Every text in a picture by its keyword: PNG text chunks, EXIF, XMP, our own JSON.

    An EXIF or GIF comment has the keyword `parameters`, as the same text has in a PNG.

    Raises:
        OutputError: it is not a picture we read.
    """
    data = _bytes(source)
    return _texts(data, _form(data))


def read_facts(source: Path | str | bytes) -> PictureFacts:
    """Everything a picture says of itself; what keeps its parameters from being read is told, not raised.

    Raises:
        OutputError: it is not a picture we read.
    """
    data = _bytes(source)
    form = _form(data)
    texts = _texts(data, form)
    width, height = _size(data, form)
    facts: dict[str, Any] = {"format": form, "width": width, "height": height, "texts": texts}
    facts["source_type"] = xmp.source_type(texts.get(xmp.KEYWORD, ""))
    try:
        if RECORD in texts:
            record = read_record(texts[RECORD])
            facts |= {"tool": "runpodkit", "values": record.values, "sent": record.sent, "info": record.info}
            facts["input_image_sha256"] = record.input_image_sha256
        elif found := _foreign(texts):
            tool, values = found
            facts |= {"tool": tool, "values": _with_size(values, width, height)}
        else:
            raise ValueError("the picture carries no parameters: it was saved without them, or a site removed them")
        facts["params"] = ImageParams(**facts["values"])
    except ValidationError as exc:
        rest = "read_facts(…).values has them all" if len(facts["values"]) > 1 else "there is nothing else in it"
        facts["problem"] = f"the picture's parameters lie outside our bounds: {explain(exc)}; {rest}"
    except ValueError as exc:
        facts["problem"] = str(exc)
    return PictureFacts(**facts)


def _foreign(texts: Mapping[str, str]) -> tuple[str, dict[str, Any]] | None:
    try:
        return read_foreign(texts)
    except ValueError as exc:
        raise ValueError(f"the picture's parameters cannot be read: {exc}") from None


def _size(data: bytes, form: str) -> tuple[int, int] | tuple[None, None]:
    try:
        return containers.header_size(data, form)
    except OutputError:
        return None, None


def _with_size(values: dict[str, Any], width: int | None, height: int | None) -> dict[str, Any]:
    """The values with the picture's own size where they say none, if our fields can hold it."""
    if "width" in values or "height" in values or width is None or height is None:
        return values
    try:
        ImageParams(user_prompt="x", width=width, height=height)
    except ValidationError:
        return values
    return {**values, "width": width, "height": height}


def _bytes(source: Path | str | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    path = Path(source).expanduser()
    with path.open("rb") as file:
        head = file.read(512)
        if containers.sniff(head) is None:
            raise OutputError(f"not a picture: {containers.describe(head)}")
        data = head + file.read(MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise OutputError(f"larger than {MAX_BYTES // 2**20} MiB: not read")
    return data


def _form(data: bytes) -> str:
    form = containers.sniff(data)
    if form is None:
        raise OutputError(f"not a picture: {containers.describe(data)}")
    return form


def _texts(data: bytes, form: str) -> dict[str, str]:
    readers = {"png": png_text.read, "jpeg": jpeg_text.read, "webp": webp_text.read, "gif": gif_text.read}
    try:
        return readers[form](data) if form in readers else _avif_texts(data)
    except ValueError as exc:
        raise OutputError(f"the {form} is cut short or broken") from exc


def _avif_texts(data: bytes) -> dict[str, str]:
    """What libavif finds, since AVIF keeps its texts where only a whole parser does."""
    info = containers.open_picture(data, "avif").info
    block, packet = info.get("exif"), info.get("xmp")
    found = exif.texts_by_keyword(block) if isinstance(block, bytes) else {}
    if isinstance(packet, bytes):
        found[xmp.KEYWORD] = packet.decode("utf-8", "replace")
    return found


def _encodable(text: str) -> str:
    """Without NUL, which ends a text in these containers, and without halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
