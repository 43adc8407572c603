"""What people and endpoints write stays text in every piece of HTML and SVG that a notebook or a figure holds.

The exported page has tests of its own: tests/runs/test_page.py, and in a browser tests/browser/test_page.py.
"""

from __future__ import annotations

import html.parser
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from runpodkit.endpoint.client import Endpoint
from runpodkit.jobs import Job, JobStatus
from runpodkit.notebook.twin import bundle, image_html, run_html
from runpodkit.notebook.wording import caption
from runpodkit.params import ImageParams
from runpodkit.reprs import facts_html
from runpodkit.runs.ledger import RunStatus
from runpodkit.runs.picture import Picture
from runpodkit.runs.rows import RunState, TrialState
from runpodkit.runs.run import opened
from runpodkit.sweeps.sweep import Trial, sweep
from tests.runs.by_hand import Kept, coloured, kept_run

EVIL = [
    "</script><script>window.taken=1</script>",
    "<img src=x onerror=window.taken=1>",
    "<svg/onload=window.taken=1>",
    "\"><b onmouseover='window.taken=1' x=\"",
    "' style='background:url(https://elsewhere.example)' '",
    "<!--<style>*{display:none}</style>",
    "{{ 7*7 }} ${7*7} <%= 7 %>",
    "</td></table></div><iframe srcdoc='&lt;script&gt;'>",
    ']]></svg><a href="javascript:window.taken=1">x</a>',
    "line\u2028separator \u202ereversed\u202c &lt;b&gt; &amp;amp;",
]
TAGS = {"div", "span", "b", "table", "thead", "tbody", "tr", "td", "th", "img", "dl", "dt", "dd", "style"}


class Reader(html.parser.HTMLParser):
    """What a browser would make of a piece of HTML: elements, attributes, words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data[:80]}")


def harmless(text: str) -> str:
    """The words of a piece of HTML that holds nothing but known elements, none of which can run or fetch anything."""
    read = Reader(text)
    for tag, attributes in read.elements:
        assert tag in TAGS, tag
        for name, value in attributes.items():
            assert name in (
                "style",
                "class",
                "src",
                "alt",
                "border",
                "scoped",
                "colspan",
                "rowspan",
                "valign",
                "halign",
            )
            assert name != "src" or (value or "").startswith("data:image/jpeg;base64,")
            assert name != "style" or "url(" not in (value or "")
            assert "taken" not in (value or "") or name == "alt"
    return read.words


def pieces(folder: Path, evil: str) -> dict[str, str]:
    """Every kind of HTML of ours, with `evil` wherever somebody else's words go."""
    plan = sweep(evil, negative_prompt=[evil, "none"], steps=[1, 2], extra={"note": evil})

    def known(trial: Trial) -> dict[str, Any]:
        failed = trial.number == 1
        return {
            "reason": evil if failed else None,
            "flags": (evil,),
            "prompt": evil,
            "endpoint": evil,
            "excerpt": evil,
            "unread": evil,
        }

    kept = kept_run(folder, plan, lambda trial: None if trial.number == 1 else coloured(trial), known, endpoint=evil)
    run = opened(replace(kept.head, name=evil), kept.store)
    records = kept.kept
    held = RunStatus(RunState.HELD, evil, "person", {TrialState.COLLECTED: 3}, 0.0, 0, 0, 0, 0.0, None, evil)
    picture = Picture(records[0], kept.store)
    job = Job("an-id", JobStatus.FAILED, output={evil: evil}, error=evil)
    return {
        "a run": run_html(run, held, records, b"jpeg", evil),
        "a picture": caption(picture),
        "a picture's alternative": image_html(b"jpeg", evil),
        "facts": facts_html(evil, {evil: evil}),
        "a sweep": plan._repr_html_(),
        "parameters": ImageParams(user_prompt=evil, negative_prompt=evil)._repr_html_(),
        "a job": job._repr_html_(),
        "an endpoint": Endpoint("https://api.runpod.ai/v2/abcdef", SecretStr("made-up"))._repr_html_(),
        "a table": kept.table()._repr_html_(),
        "failures": kept.failures()._repr_html_(),
        "a summary": kept.summary()._repr_html_(),
        "a comparison": _comparison(kept),
        "axis effects": kept.axis_effects(quiet=True)._repr_html_(),
        "enough steps": kept.enough_steps(by="negative_prompt", quiet=True)._repr_html_(),
    }


def _comparison(kept: Kept) -> str:
    return kept.compare("negative_prompt", baseline="none")._repr_html_()


@pytest.mark.parametrize("evil", EVIL)
def test_no_piece_of_html_lets_anybodys_words_out(tmp_path: Path, evil: str) -> None:
    for name, text in pieces(tmp_path, evil).items():
        words = harmless(text)
        if name in ("a run", "a picture", "facts", "a job"):
            start = " ".join(evil.split())[:12]
            assert start in " ".join(words.split()), f"{name} lost what was written"


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
)
@settings(max_examples=150, deadline=None)
def test_any_text_stays_text(one: str, other: str) -> None:
    assert harmless(facts_html(one, {other: one})).replace("\r\n", "\n").replace("\r", "\n") == (
        one + other + one
    ).replace("\r\n", "\n").replace("\r", "\n")
    harmless(image_html(b"jpeg", one))
    read = Reader(bundle("", "", one)["text/html"])
    assert [set(attributes) for _, attributes in read.elements] in ([{"data-runpodkit"}], [set()])


@pytest.mark.parametrize("evil", EVIL)
def test_a_figure_holds_words_and_pictures_only(tmp_path: Path, evil: str) -> None:
    plan = sweep("a mill", sampler_name=[evil, "Euler"], steps=[1, 2])
    kept = kept_run(
        tmp_path,
        plan,
        lambda trial: None if trial.number else coloured(trial),
        lambda trial: {"reason": evil} if trial.number else {},
    )
    kept.grid(title=evil).save(tmp_path / "grid.svg")

    root = ElementTree.parse(tmp_path / "grid.svg").getroot()
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags <= {
        "svg",
        "g",
        "rect",
        "text",
        "tspan",
        "image",
        "title",
        "desc",
        "path",
        "style",
        "line",
        "metadata",
        "defs",
        "clipPath",
    }
    for element in root.iter():
        for name, value in element.attrib.items():
            assert not name.lower().rpartition("}")[2].startswith("on")
            assert not name.endswith("href") or value.startswith(("data:image/", "#"))


def test_what_pages_run_puts_words_in_as_text() -> None:
    """The scripts of the live view, the gallery and the exported page have no way to make markup out of words."""
    import runpodkit

    scripts = {path: path.read_text() for path in Path(runpodkit.__file__).parent.rglob("*.js")}
    assert len(scripts) >= 3
    ways = (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "new Function",
        "srcdoc",
        "DOMParser",
        "createContextualFragment",
    )
    assert [(path.name, way) for path, text in scripts.items() for way in ways if way in text] == []
