"""XMP packets: the mark goes in where it can, stays single, and is found however it is spelt."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.images import xmp

IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
THEIRS = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    ' <{0}:RDF xmlns:{0}="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    '  <{0}:Description {0}:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:creator>A</dc:creator></{0}:Description>\n'
    f" </{{0}}:RDF>\n</x:xmpmeta>{' ' * 2000}<?xpacket end='w'?>"
)


def stated(packet: str) -> list[str | None]:
    return [found.text for found in ElementTree.fromstring(packet.encode()).iter(IPTC)]


def test_a_packet_of_our_own_states_one_term():
    assert stated(xmp.mark("", xmp.AI_MADE)) == [xmp.AI_MADE]
    assert xmp.mark("", None) == ""


@pytest.mark.parametrize("prefix", ["rdf", "RDF", "r-1"])
def test_a_packet_of_theirs_keeps_all_it_had_whatever_its_prefix(prefix):
    theirs = THEIRS.format(prefix)

    marked = xmp.mark(theirs, xmp.AI_MADE)

    assert stated(marked) == [xmp.AI_MADE]
    assert "<dc:creator>A</dc:creator>" in marked and marked.endswith("<?xpacket end='w'?>")
    assert xmp.mark(marked, None) == theirs
    assert xmp.mark(marked, xmp.AI_MADE) == marked
    assert stated(xmp.mark(marked, xmp.AI_EDITED)) == [xmp.AI_EDITED]


@pytest.mark.parametrize("packet", ["garbage", "<x:xmpmeta/>", '<rdf:RDF xmlns:rdf="r"/>'])
def test_what_has_no_place_for_a_mark_stays_as_it_is(packet):
    assert xmp.mark(packet, xmp.AI_MADE) == packet


@pytest.mark.parametrize(
    ("packet", "term"),
    [
        ("<a:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture</a:DigitalSourceType>", "digitalCapture"),
        ('<d Iptc4xmpExt:DigitalSourceType="https://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"/>', "algorithmicMedia"),
        ("<d a:DigitalSourceType = 'http://cv.iptc.org/newscodes/digitalsourcetype/print'>", "print"),
        ('<a:DigitalSourceType rdf:resource="http://cv.iptc.org/newscodes/digitalsourcetype/softwareImage"/>', "softwareImage"),
        ("<a:DigitalSourceType>\n  http://example.org/other&amp;more \n</a:DigitalSourceType>", "http://example.org/other&more"),
        ("<a:DigitalSourceType></a:DigitalSourceType>", None),
        ("nothing", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_source_type_is_found_however_it_is_spelt(packet, term):
    assert xmp.source_type(packet) == term


def test_the_text_of_an_element_is_taken_without_its_tags():
    packet = "<exif:UserComment><rdf:Alt><rdf:li xml:lang='x'>{&quot;c&quot;: 1 &lt; 2}</rdf:li></rdf:Alt></exif:UserComment>"

    assert xmp.text_of(packet, "exif:UserComment") == '{"c": 1 < 2}'
    assert xmp.text_of("<exif:UserComment>", "exif:UserComment") == ""


@pytest.mark.parametrize(
    "piece", ["DigitalSourceType>" + " " * 480, "DigitalSourceType" + " resource" * 60, "</a:RDF" + " " * 99]
)
def test_a_megabyte_of_almost_matches_says_nothing(piece):
    packet = piece * (2**20 // len(piece))

    assert xmp.source_type(packet) is None
    assert xmp.mark(packet, xmp.AI_MADE) == packet


@given(st.text(alphabet="<>/=\"' DigitalSourceType:rdfRDFresource&#x\n", max_size=400))
def test_any_packet_is_read_and_marked_without_an_error(packet):
    xmp.source_type(packet)
    xmp.text_of(packet, "exif:UserComment")
    assert xmp.mark(xmp.mark(packet, xmp.AI_MADE), xmp.AI_MADE) == xmp.mark(packet, xmp.AI_MADE)
