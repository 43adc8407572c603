"""What a picture file says of itself, as plain lines.  Knows no command.

The words come from a file that anybody may have made: what would steer a terminal is shown as
its escape, and what is long is cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runpodkit.images.metadata import PictureFacts

_WIDTH = 24
_LONG = 5000
_JOINERS = "\u200c\u200d"
"""Formatting characters that scripts and emoji are written with."""


def lines(name: str, facts: PictureFacts) -> Iterator[str]:
    """One heading for the file, then a line for each thing that is known."""
    size = f" {facts.width}×{facts.height}" if facts.width else ""
    writer = f", parameters by {visible(facts.tool)}" if facts.tool else ""
    yield f"{visible(name)}: {facts.format}{size}{writer}"
    if facts.problem:
        yield f"  {visible(facts.problem)}"
    values: Mapping[str, Any] = facts.values
    if facts.params:
        values = {field: getattr(facts.params, field) for field in type(facts.params).model_fields if field in values}
    yield from _pairs(values)
    if facts.sent:
        yield from _pairs({"sent prompt": facts.sent.prompt, "sent negative prompt": facts.sent.negative_prompt})
    yield from _pairs(facts.info)
    if facts.input_image_sha256:
        yield from _pairs({"input image sha256": facts.input_image_sha256})
    yield from _pairs({"source type (IPTC)": facts.source_type or "not stated"})
    if facts.texts:
        yield from _pairs({"texts": ", ".join(f"{key} ({len(text):,})" for key, text in facts.texts.items())})


def visible(text: object) -> str:
    """A text on one line, without characters that move a cursor, turn the writing round or hide."""
    shown = str(text)
    cut = f"… ({len(shown):,} characters)" if len(shown) > _LONG else ""
    return "".join(char if char.isprintable() or char in _JOINERS else _escaped(char) for char in shown[:_LONG]) + cut


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def _pairs(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        yield f"  {visible(name)[:_WIDTH]:{_WIDTH}} {visible(value)}".rstrip()
