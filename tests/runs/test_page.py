"""Pages: what is in the file, that nothing in it can run or leave it, its bound, and how it opens."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit.errors import StoreError
from runpodkit.images.infotext import write_infotext
from runpodkit.logs import hide
from runpodkit.params import ImageParams
from runpodkit.runs.exports import page
from runpodkit.runs.preferences import Preference
from runpodkit.runs.rows import TrialState
from runpodkit.sweeps.sweep import Sweep, Trial, sweep
from tests.runs.by_hand import Kept, coloured, kept_run, plain_png

PLAN = sweep("a mill", sampler_name=["Euler", "Heun"], steps=[5, 10], seed=[7, 8, 9])
HOSTILE = [
    "</script><script>document.title='run'</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "line\u2028separator\u2029and\0nul",
    "half \ud83d a character",
    '"}]};alert(1)//',
    "{{SCRIPT}} {{DATA}} {{PICTURES}}",
    "ﷺ \u202e reversed \u202c עברית العربية",
]


def text_of(path: Path) -> str:
    return path.read_text("utf-8")


def data_of(path: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text_of(path), re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def pictures_of(path: Path) -> list[Image.Image]:
    blocks = re.findall(r'<script type="text/plain" id="p(\d+)">([^<]*)</script>', text_of(path))
    assert [int(number) for number, _ in blocks] == list(range(len(blocks)))
    return [Image.open(io.BytesIO(base64.b64decode(data))) for _, data in blocks]


def test_a_page_has_a_cell_per_trial_in_the_sweeps_order_under_the_grids_axes(tmp_path: Path) -> None:
    run = kept_run(tmp_path, PLAN)

    path = run.to_html(tmp_path / "deep" / "page.html")

    data = data_of(path)
    assert [cell["n"] for cell in data["cells"]] == list(range(12))
    assert [cell["a"] for cell in data["cells"]][:4] == [[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 1, 0]]
    assert [axis["labels"] for axis in data["axes"]] == [["Euler", "Heun"], ["5", "10"], ["7", "8", "9"]]
    assert data["place"] == {"rows": [0], "cols": [1, 2], "pages": []}
    assert data["title"] == "a mill"
    assert [image.size for image in pictures_of(path)] == [(64, 96)] * 12
    assert [size for size in data["sizes"]] == [[64, 96]] * 12
    assert "SIMULATOR" in text_of(path)


def test_a_picture_in_the_page_is_the_one_of_its_trial(tmp_path: Path) -> None:
    path = kept_run(tmp_path, PLAN).to_html(tmp_path / "page.html")

    data, pictures = data_of(path), pictures_of(path)
    for cell in data["cells"]:
        middle = pictures[cell["p"]].convert("RGB").getpixel((32, 48))
        number = cell["n"]
        wanted = ((number * 37) % 256, (number * 91) % 256, number % 256)
        assert isinstance(middle, tuple)
        assert max(abs(is_ - was) for is_, was in zip(middle, wanted, strict=True)) <= 4


def test_the_same_run_gives_the_same_bytes_and_no_time_is_in_them(tmp_path: Path) -> None:
    known = lambda trial: {"submitted_at": "2026-01-02T03:04:05.678+00:00", "job_id": "job-1f", "worker_id": "w-77"}  # noqa: E731
    first = kept_run(tmp_path / "a", PLAN, known=known).to_html(tmp_path / "a.html")
    second = kept_run(tmp_path / "b", PLAN, known=known, created_at=99.0).to_html(tmp_path / "b.html")

    assert first.read_bytes() == second.read_bytes()
    assert not re.search(r"2026-01-02|job-1f|w-77|/tmp/", text_of(first))


def test_equal_pictures_are_stored_once(tmp_path: Path) -> None:
    run = kept_run(tmp_path, PLAN, lambda trial: plain_png((trial.number % 2 * 255, 0, 0)))

    path = run.to_html(tmp_path / "page.html")

    assert len(pictures_of(path)) == 2
    assert [cell["p"] for cell in data_of(path)["cells"]] == [0, 1] * 6


@pytest.mark.parametrize("evil", HOSTILE)
def test_what_people_and_endpoints_wrote_stays_text(tmp_path: Path, evil: str) -> None:
    safe = evil.replace("\ud83d", "") if "\ud83d" in evil else evil  # parameters take whole characters only
    plan = sweep(safe.replace("\0", ""), negative_prompt=[safe.replace("\0", "")[:40], "none"], steps=[1, 2])
    run = kept_run(
        tmp_path, plan, lambda trial: None if trial.number == 1 else coloured(trial),
        lambda trial: {"reason": evil if trial.number == 1 else None, "flags": (evil,), "prompt": evil, "endpoint": evil},
        endpoint=evil,
    )  # fmt: skip

    path = run.to_html(tmp_path / "page.html", title=evil, columns={evil: {0: evil}})

    text = text_of(path)
    assert text.count("<script") == text.count("</script>") == 2 + 3
    assert text.count("<!--") == 0
    assert "<img" not in text
    data = data_of(path)
    assert data["title"] == evil
    assert data["cells"][1]["r"] == evil
    assert data["columns"] == [evil]
    head = text[: text.index('<script type="application/json"')]
    assert not re.search("[\0\u2028\u2029]", text[text.index('id="data">') :])
    assert evil.replace("\0", "\ufffd").replace("\ud83d", "?") in _unescaped(head)


def _unescaped(text: str) -> str:
    import html

    return html.unescape(text)


@given(st.text(max_size=60), st.text(st.characters(codec=None), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_survives_the_page_and_cannot_end_its_element(one: str, other: str) -> None:
    written = page._safe_json({"one": one, other: [one]})

    assert json.loads(written) == {"one": one, other: [one]} or other == "one"
    assert not re.search("[<>&\u2028\u2029]", written)
    written.encode()


def test_the_policy_allows_this_script_and_style_alone(tmp_path: Path) -> None:
    text = text_of(kept_run(tmp_path, PLAN).to_html(tmp_path / "page.html"))

    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    style, script = (
        re.findall(r"<style>(.*?)</style>", text, re.DOTALL),
        re.findall(r"<script>(.*?)</script>", text, re.DOTALL),
    )
    assert (len(style), len(script)) == (1, 1)
    hashes = [base64.b64encode(hashlib.sha256(part.encode()).digest()).decode() for part in (*style, *script)]
    assert policy[1].split("; ") == [
        "default-src 'none'", "img-src data:", f"style-src 'sha256-{hashes[0]}'", f"script-src 'sha256-{hashes[1]}'",
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip


def test_nothing_in_the_page_points_elsewhere(tmp_path: Path) -> None:
    text = text_of(kept_run(tmp_path, PLAN).to_html(tmp_path / "page.html"))

    assert not re.search(
        r"https?:|//[a-z]+\.|@import|url\(|\bfetch\(|XMLHttpRequest|WebSocket|\beval\(|innerHTML|insertAdjacent|document\.write",
        text,
    )
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["data:,"]
    assert ' style="' not in text
    assert not re.search(r"\son\w+=", text)


def test_secrets_and_what_gives_access_are_left_out(tmp_path: Path) -> None:
    hide("rpa_made_up_for_this_test")
    plan = sweep("a mill rpa_made_up_for_this_test", steps=[1, 2], input_image="https://user:pw@example.org/a.png?X-Amz-Signature=abc",
                 extra={"mask": "data:image/png;base64," + "A" * 3000, "link": "https://example.org/l?token=abc",
                        "hf_token": "canary-by-its-name"})  # fmt: skip
    data = data_of(kept_run(tmp_path, plan).to_html(tmp_path / "page.html"))

    text = json.dumps(data)
    assert "rpa_made_up" not in text and "canary" not in text
    assert json.loads(data["same"]["input_image"]) == "https://example.org/a.png"
    assert json.loads(data["same"]["extra.mask"]) == "data:image/png;base64, 3,022 characters"
    assert json.loads(data["same"]["extra.link"]) == "https://example.org/l"


def test_failed_missing_and_flagged_trials_say_so(tmp_path: Path) -> None:
    def known(trial: Trial) -> dict[str, Any]:
        if trial.number == 1:
            return {"state": TrialState.EXPIRED, "reason": "the service gave up on the job"}
        if trial.number == 2:
            return {"state": TrialState.PLANNED, "reason": None}
        return (
            {"flags": ("cost from worker", "blank"), "maybe_paid_twice": trial.number == 3} if trial.number < 4 else {}
        )

    run = kept_run(tmp_path, PLAN, lambda trial: None if trial.number in (1, 2) else coloured(trial), known)

    cells = data_of(run.to_html(tmp_path / "page.html"))["cells"]

    assert (cells[1]["s"], cells[1]["r"]) == ("EXPIRED", "the service gave up on the job")
    assert cells[2]["s"] == "PLANNED" and "r" not in cells[2] and "p" not in cells[2]
    assert cells[0]["f"] == ["blank"]
    assert cells[3]["f"] == ["blank", "may have been paid for twice"]
    assert "f" not in cells[4]


def test_a_picture_that_cannot_be_read_is_a_reason_in_its_cell(tmp_path: Path) -> None:
    run = kept_run(tmp_path, PLAN)
    run._store.put(run.kept[3].images[0].key, b"\x89PNG\r\n\x1a\nnot really")
    run._store.delete(run.kept[5].images[0].key)

    path = run.to_html(tmp_path / "page.html")

    cells = data_of(path)["cells"]
    assert "p" not in cells[3] and cells[3]["r"].startswith("the picture cannot be read: ")
    assert cells[5]["r"] == "the picture could not be read from the run's store"
    assert str(tmp_path) not in text_of(path)
    sizes = data_of(path)["sizes"]
    assert [place for place, size in enumerate(sizes) if size is None] == [3, 5]
    assert len(re.findall('id="p[0-9]+"', text_of(path))) == 10


def test_where_no_picture_can_be_read_there_is_no_page(tmp_path: Path) -> None:
    run = kept_run(tmp_path, PLAN)
    for record in run.kept:
        run._store.delete(record.images[0].key)

    with pytest.raises(StoreError, match=r"not one of 12 pictures can be shown; the first: .*no such key"):
        run.to_html(tmp_path / "page.html")
    assert list(tmp_path.glob("*.html")) == list(tmp_path.glob(".*part")) == []


def noisy(folder: Path, count: int) -> Kept:
    """`count` pictures of 832×1216 that no coder can make small: noise, each another part of one sheet of it."""
    sheet = np.random.default_rng(5).integers(0, 256, (1216 + 25, 832 + count // 25 + 1, 3), dtype=np.uint8)
    image = Image.fromarray(sheet)

    def draw(trial: Trial) -> bytes:
        left, top = divmod(trial.number, 25)
        out = io.BytesIO()
        image.crop((left, top, left + 832, top + 1216)).save(out, "JPEG", quality=50)
        return out.getvalue()

    return kept_run(folder, sweep("noise", steps=list(range(1, 26)), seed=list(range(count // 25))), draw)


@pytest.mark.slow
def test_five_hundred_noisy_pictures_of_a_megapixel_stay_within_30_mb(tmp_path: Path) -> None:
    path = noisy(tmp_path, 500).to_html(tmp_path / "page.html")

    assert 12_000_000 < path.stat().st_size <= 30_000_000
    data = data_of(path)
    assert len(data["cells"]) == len(data["sizes"]) == 500
    assert min(width for width, _ in data["sizes"]) >= 200
    assert {round(height / width, 1) for width, height in data["sizes"]} == {1.5}


@pytest.mark.parametrize(("bound", "widest"), [(4_000_000, 300), (400_000, 80)])
def test_the_bound_holds_whatever_it_is(tmp_path: Path, bound: int, widest: int) -> None:
    path = page.write_page(noisy(tmp_path, 25), tmp_path / "page.html", max_bytes=bound)

    assert bound * 0.5 < path.stat().st_size <= bound
    assert 16 <= data_of(path)["sizes"][0][0] <= 2.2 * widest


def test_few_pictures_are_as_large_as_they_are_and_never_enlarged(tmp_path: Path) -> None:
    run = kept_run(tmp_path, sweep("a mill", steps=[1, 2]), lambda trial: plain_png((9, trial.number, 9), (832, 1216)))

    assert data_of(run.to_html(tmp_path / "page.html"))["sizes"] == [[832, 1216]] * 2
    assert data_of(run.to_html(tmp_path / "page.html", thumb_px=304))["sizes"] == [[208, 304]] * 2


def test_smooth_pictures_are_larger_on_request_and_noisy_ones_as_large_as_fits(tmp_path: Path) -> None:
    smooth = kept_run(
        tmp_path / "a", sweep("a mill", steps=[1, 2]), lambda trial: plain_png((9, trial.number, 9), (832, 1216))
    )

    by_itself = data_of(page.write_page(smooth, tmp_path / "a.html", max_bytes=120_000))["sizes"]
    asked = page.write_page(smooth, tmp_path / "b.html", max_bytes=120_000, thumb_px=1216)
    noise = page.write_page(noisy(tmp_path / "b", 25), tmp_path / "c.html", max_bytes=400_000, thumb_px=1216)

    assert by_itself[0][0] < 832
    assert data_of(asked)["sizes"] == [[832, 1216]] * 2
    assert asked.stat().st_size <= 120_000
    assert noise.stat().st_size <= 400_000
    assert max(width for width, _ in data_of(noise)["sizes"]) < 300


def test_too_many_pictures_are_refused_before_one_is_read(tmp_path: Path) -> None:
    run = kept_run(tmp_path, PLAN)
    for record in run.kept:
        run._store.delete(record.images[0].key)

    with pytest.raises(
        ValueError,
        match=r"12 cells with 12 pictures do not fit into a page of 0.08 MB, of which words take 0\.\d: choose some with where=",
    ):
        page.write_page(run, tmp_path / "page.html", max_bytes=80_000)


def test_a_selection_makes_a_page_of_its_own(tmp_path: Path) -> None:
    run = kept_run(tmp_path, PLAN)

    data = data_of(run.to_html(tmp_path / "page.html", where={"sampler_name": "Heun", "seed": [7, 9]}))

    assert [axis["name"] for axis in data["axes"]] == ["steps", "seed"]
    assert [cell["n"] for cell in data["cells"]] == [6, 8, 9, 11]
    assert "Heun" in data["subtitle"]
    assert json.loads(data["same"]["sampler_name"]) == "Heun"


@pytest.mark.parametrize(
    ("how", "place"),
    [
        ({"rows": "seed"}, {"rows": [2], "cols": [0, 1], "pages": []}),
        ({"rows": ["seed", "steps"], "cols": []}, {"rows": [2, 1], "cols": [0], "pages": []}),
        ({"pages": "sampler_name"}, {"rows": [1], "cols": [2], "pages": [0]}),
        ({"cols": "steps", "pages": ["seed"]}, {"rows": [0], "cols": [1], "pages": [2]}),
    ],
)
def test_axes_go_where_they_are_asked_to(tmp_path: Path, how: dict[str, Any], place: dict[str, list[int]]) -> None:
    assert data_of(kept_run(tmp_path, PLAN).to_html(tmp_path / "page.html", **how))["place"] == place


def test_a_grid_too_wide_to_look_at_opens_with_its_last_axis_one_at_a_time(tmp_path: Path) -> None:
    plan = sweep("a mill", sampler_name=["Euler", "Heun"], steps=[5, 10, 15, 20, 25, 30, 35], seed=list(range(7)))

    data = data_of(kept_run(tmp_path, plan).to_html(tmp_path / "page.html"))

    assert data["place"] == {"rows": [0], "cols": [1], "pages": [2]}


def test_a_zipped_sweep_opens_as_a_gallery(tmp_path: Path) -> None:
    plan = sweep("a mill", width=[512, 768, 1024], height=[768, 512, 1024], mode="zip")

    data = data_of(kept_run(tmp_path, plan).to_html(tmp_path / "page.html"))

    assert data["view"] == "gallery"
    assert [cell["a"] for cell in data["cells"]] == [[0, 0], [1, 1], [2, 2]]


def test_several_pictures_of_one_job_are_an_axis(tmp_path: Path) -> None:
    plan = sweep("a mill", steps=[5, 10], num_images=3)
    shades = lambda trial: [plain_png((trial.number * 50, number * 50, 0)) for number in range(3)]  # noqa: E731

    data = data_of(kept_run(tmp_path, plan, shades).to_html(tmp_path / "page.html"))

    assert [(axis["name"], axis["labels"]) for axis in data["axes"]] == [
        ("steps", ["5", "10"]),
        ("picture", ["1", "2", "3"]),
    ]
    assert [(cell["n"], cell["a"], cell["p"]) for cell in data["cells"]][2:4] == [(0, [0, 2], 2), (1, [1, 0], 3)]
    assert data["axes"][1]["about"] is True


def test_no_axis_at_all_is_one_cell(tmp_path: Path) -> None:
    data = data_of(kept_run(tmp_path, sweep("a mill")).to_html(tmp_path / "page.html"))

    assert (data["axes"], data["place"]) == ([], {"rows": [], "cols": [], "pages": []})
    assert len(data["cells"]) == 1


def test_values_that_look_alike_keep_labels_apart(tmp_path: Path) -> None:
    plan = sweep("a mill", cfg_scale=[4.0, 4.00000001, 5.5])

    data = data_of(kept_run(tmp_path, plan).to_html(tmp_path / "page.html"))

    assert data["axes"][0]["labels"] == ["4.0", "4.00000001", "5.5"]


def test_scores_come_from_a_mapping_or_a_table(tmp_path: Path) -> None:
    run = kept_run(tmp_path, PLAN, known=lambda trial: {"execution_time_s": 1.5})
    frame = pd.DataFrame(
        {
            "trial": [0, 2],
            "sharp": np.array([1.5, 7], dtype=np.float32),
            "note": ["good", pd.NA],
            "bad": [float("nan"), float("inf")],
        }
    )

    from_mapping = data_of(run.to_html(tmp_path / "a.html", columns={"sharp": {0: 1.5, 2: 7}}, under="sharp"))
    from_table = data_of(run.to_html(tmp_path / "b.html", columns=frame))

    assert from_mapping["columns"] == ["execution_time_s", "sharp"]
    assert (from_mapping["cells"][0]["v"], from_mapping["cells"][1]["v"]) == ([1.5, 1.5], [1.5, None])
    assert from_mapping["under"] == "sharp"
    assert from_table["columns"] == ["execution_time_s", "sharp", "note", "bad"]
    assert from_table["cells"][0]["v"] == [1.5, 1.5, "good", None]
    assert from_table["cells"][2]["v"] == [1.5, 7.0, None, "inf"]


def test_answers_of_blind_comparisons_are_columns(tmp_path: Path) -> None:
    run = kept_run(tmp_path, PLAN)
    run.prefer("me", [Preference("sampler_name", 0, 6, 0, left=0)])

    data = data_of(run.to_html(tmp_path / "page.html"))

    assert data["columns"] == ["wins", "losses", "ties"]
    assert (data["cells"][0]["v"], data["cells"][6]["v"], data["cells"][1]["v"]) == ([1, 0, 0], [0, 1, 0], [0, 0, 0])


@pytest.mark.parametrize(
    "plan",
    [
        sweep(
            ["a mill", 'a "fox"\nat night'],
            steps=[5, 10],
            seed="vary",
            extra={"lora": 2**60, "deep": {"a": [1]}},
            cfg_scale=3.5,
        ),
        sweep(
            "a {red|blue} mill",
            size={"portrait": {"width": 64, "height": 128}, "wide": {"width": 128, "height": 64}},
            cfg_scale={"low": 2, "high": 9},
            where="cfg_scale < 5 or width > 64",
            repeats=2,
            **{"extra.lora.scale": [0.5, 1]},
        ),
    ],
    ids=["fields", "labels"],
)
def test_parameters_of_every_cell_can_be_put_together_again(plan: Sweep, tmp_path: Path) -> None:
    run = kept_run(
        tmp_path,
        plan,
        known=lambda trial: {"prompt": f"{trial.params.user_prompt}, best", "negative_prompt": "worst\nof all"},
    )

    data = data_of(run.to_html(tmp_path / "page.html"))

    for cell, record in zip(data["cells"], run.kept, strict=True):
        own = {name: data["texts"][place] for name, place in cell.get("q", {}).items()}
        axes = {
            axis["name"]: axis["json"][at]
            for axis, at in zip(data["axes"], cell["a"], strict=True)
            if "about" not in axis
        }
        flat = {name: json.loads(text) for name, text in {**data["same"], **axes, **own}.items()}
        extra = {name.removeprefix("extra."): flat.pop(name) for name in list(flat) if name.startswith("extra.")}
        kept = {name: value for name, value in flat.items() if name not in data["unset"]}
        again = ImageParams(**kept, extra=extra)
        assert again.model_fields_set == record.params.model_fields_set
        assert again.model_dump() == record.params.model_dump()
        prompt, negative = (data["texts"][place] for place in cell["t"])
        assert f"{prompt}\nNegative prompt: {negative}\n{cell['i']}" == write_infotext(
            record.params, prompt, negative, page_info(run)
        )


def page_info(run: Kept) -> dict[str, Any]:
    return {"model": "sketch-1", "not_sent": sorted(set(ImageParams.model_fields) - run.head.spelling.takes)}


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"rows": "stepz"}, "stepz is no axis of this page; its axes: sampler_name, steps, seed"),
        ({"rows": "steps", "cols": "steps"}, "steps cannot be placed twice"),
        ({"rows": "steps", "pages": "steps"}, "steps cannot be placed twice"),
        ({"where": {"steps": 99}}, "no trial of made-by-hand matches {'steps': 99}"),
        ({"where": {"stepz": 5}}, "stepz is no parameter"),
        ({"where": {"steps": 5}, "rows": "steps"}, "steps has one value in this page; its axes: sampler_name, seed"),
        ({"under": "beauty"}, "under='beauty' is no value of this page; its values: trial, sampler_name"),
        ({"columns": {"steps": {0: 1}}}, "columns: steps is the name of an axis of this page; give it another"),
        ({"columns": pd.DataFrame({"a": [1]})}, "columns: the table has no 'trial' column.*it has a"),
        ({"columns": pd.DataFrame({"trial": [1, 1], "a": [1, 2]})}, "columns: trial 1 stands in the table twice"),
        ({"columns": {"sharp": {"1": 5}}}, "columns: '1' in sharp is no number of a trial"),
        ({"columns": {" ": {1: 5}}}, "columns: ' ' is no name for a column"),
        ({"thumb_px": 3}, "thumb_px=3: a picture in a page has at least 16 pixels a side"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_one_line(tmp_path: Path, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        kept_run(tmp_path, PLAN).to_html(tmp_path / "page.html", **how)
    assert "\n" not in str(caught.value)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"page.pdf: a page is saved as .html, not .pdf"):
        kept_run(tmp_path, PLAN).to_html(tmp_path / "page.pdf")


def test_on_request_the_page_is_opened_in_the_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import webbrowser

    seen: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: not seen.append(address))
    monkeypatch.chdir(tmp_path)
    run = kept_run(tmp_path, PLAN)

    run.to_html("my page.html")
    assert seen == []
    run.to_html("my page.html", open=True)

    assert seen == [f"file://{tmp_path}/my%20page.html"]


def test_an_interrupted_page_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept_run(tmp_path, PLAN)
    before = run.to_html(tmp_path / "page.html").read_bytes()

    def interrupted(key: str) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "bytes_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.to_html(tmp_path / "page.html", title="new")

    assert (tmp_path / "page.html").read_bytes() == before
    assert list(tmp_path.glob(".*part")) == []
