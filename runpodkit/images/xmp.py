"""XMP packets: the IPTC mark of AI-made media put in and found, and a few texts of other tools.

Works on the text of a packet and parses no XML: a packet out of a foreign file may be built to
keep a parser busy.  What it cannot place a mark in, it leaves as it is.
"""

from __future__ import annotations

import html
import itertools
import re

KEYWORD = "XML:com.adobe.xmp"
"""Of the PNG text chunk that holds a packet."""
MAX_CHARS = 2**20
"""Of a packet that is looked into."""

_NEWSCODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
AI_MADE = f"{_NEWSCODES}trainedAlgorithmicMedia"
AI_EDITED = f"{_NEWSCODES}compositeWithTrainedAlgorithmicMedia"
"""For pictures that grew out of another picture.  Source of both: IPTC NewsCodes, Digital Source Type."""

_HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
)
_TAIL = '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
_SOURCE = "DigitalSourceType"
_STATED = re.compile(
    r"""\s*=\s*["']([^"'<>]+)|>([^<>]*[^<>\s][^<>]*)<|\s[^<>]*?resource\s*=\s*["']([^"'<>]+)"""
)  # an attribute, an element's text, or an element's rdf:resource
_LOOKS, _NEAR = 20, 600
"""Places where a source type may be stated, and characters of each that are looked at."""
_CLOSING = re.compile(r"</([A-Za-z_][\w.-]{0,60}):RDF\s*>")


def mark(packet: str, term: str | None) -> str:
    """The packet with a statement that the picture's source is `term`; an existing one of another tool stays.

    Args:
        packet: Empty where there is none yet.
        term: `AI_MADE`, `AI_EDITED`, or None for none of ours.
    """
    theirs = packet
    for prefix in {"rdf", *_CLOSING.findall(packet)}:
        for ours in (AI_MADE, AI_EDITED):
            theirs = theirs.replace(_statement(ours, prefix), "")
    if theirs == _HEAD + _TAIL:
        theirs = ""
    if term is None or _SOURCE in theirs:
        return theirs
    if not theirs:
        return f"{_HEAD}{_statement(term, 'rdf')}{_TAIL}"
    if closing := list(_CLOSING.finditer(theirs)):
        last = closing[-1]
        return theirs[: last.start()] + _statement(term, last[1]) + theirs[last.start() :]
    return theirs


def source_type(packet: str) -> str | None:
    """The digital source type that a packet states, as an IPTC term where it is one of theirs."""
    for found in itertools.islice(re.finditer(_SOURCE, packet[:MAX_CHARS]), _LOOKS):
        if match := _STATED.match(packet[found.end() : found.end() + _NEAR]):
            stated = html.unescape(next(group for group in match.groups() if group)).strip()
            return stated.replace("https://", "http://", 1).removeprefix(_NEWSCODES) or None
    return None


def text_of(packet: str, name: str) -> str:
    """The first text under the element `name`, such as `exif:UserComment`; empty where there is none."""
    _, found, rest = packet[:MAX_CHARS].partition(f"<{name}>")
    inner = rest.partition(f"</{name}>")[0] if found else ""
    return html.unescape(re.sub(r"<[^<>]{0,200}>", "", inner)).strip()


def _statement(term: str, prefix: str) -> str:
    return (
        f'<{prefix}:Description {prefix}:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">'
        f"<Iptc4xmpExt:DigitalSourceType>{term}</Iptc4xmpExt:DigitalSourceType></{prefix}:Description>"
    )
