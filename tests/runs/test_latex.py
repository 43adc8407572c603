"""Tables for papers: TeX that compiles whatever the text, heads in words, numbers rounded alike in a column."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.params import ImageParams
from runpodkit.runs.tables import to_latex
from runpodkit.runs.tables.latex import escaped, head
from tests.runs.made_up import failed, kept, record


def rows(tex: str) -> list[list[str]]:
    """The cells between the rules, as written."""
    body = tex.split("\\midrule\n")[1].split("\\bottomrule")[0]
    return [line.removesuffix(" \\\\").split(" & ") for line in body.splitlines()]


def test_a_table_has_rules_heads_in_words_and_numbers_on_the_right() -> None:
    frame = pd.DataFrame({"sampler_name": ["DPM++ 2M"], "steps": [20], "execution_time_s": [1.5]})

    assert to_latex(frame, exact=["steps"]) == (
        "\\begin{tabular}{lrr}\n\\toprule\nSampler & Steps & Execution time (s) \\\\\n\\midrule\n"
        "DPM++ 2M & 20 & 1.50 \\\\\n\\bottomrule\n\\end{tabular}\n"
    )


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("50% & more", r"50\% \& more"),
        ("a_b #1 $x$ {y}", r"a\_b \#1 \$x\$ \{y\}"),
        ("~ ^ \\", r"\textasciitilde{} \textasciicircum{} \textbackslash{}"),
        ("[1, 2]", "{[}1, 2{]}"),
        ("*", "{*}"),
        ("a < b > c | d", r"a \textless{} b \textgreater{} c \textbar{} d"),
        ("two\nlines\r\n\tand\x00more", "two lines andmore"),
        ("Москва", "Москва"),
    ],
)
def test_what_tex_would_act_on_is_printed(text: str, tex: str) -> None:
    assert escaped(text) == tex


@given(st.text())
def test_no_text_breaks_a_row_opens_a_group_or_starts_a_comment(text: str) -> None:
    tex = escaped(text)

    bare = re.sub(r"\\(text[a-z]+\{\}|[&%$#_{}])", "", tex).replace("{[}", "").replace("{]}", "").replace("{*}", "")
    assert not set(bare) & set("&%$#_{}~^\\[]*\n\r")
    assert "\n" not in tex


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cfg_scale", "CFG scale"),
        ("queue_delay_p90_s", "Queue delay P90 (s)"),
        ("cost_per_image_usd", "Cost per image (USD)"),
        ("failure_rate", "Failure rate (\\%)"),
        ("extra.lora_scale", "Lora scale"),
        ("width", "Width (px)"),
        ("odd#name", "Odd\\#name"),
    ],
)
def test_heads_are_words_with_units(name: str, words: str) -> None:
    assert head(name) == words


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([12.3456, 1.0], ["12.3", "1.0"]),
        ([0.000123, 0.02], ["0.00012", "0.02000"]),
        ([1234.5, 999.0], ["1234", "999"]),
        ([0.004, 12.3], ["0.0040", "12.3000"]),
        ([None, 0.5], ["--", "0.500"]),
        ([0.0, 0.0], ["0", "0"]),
        ([-1.5, 2.0], ["$-1.50$", "2.00"]),
        ([float("inf"), 1.0], ["$\\infty$", "1.00"]),
        ([None, None], ["--", "--"]),
        ([1e-9, 1.0], ["0.000000", "1.000000"]),
    ],
)
def test_measured_numbers_of_a_column_are_rounded_alike(values: list[Any], shown: list[str]) -> None:
    tex = to_latex(pd.DataFrame({"execution_time_s": pd.array(values, dtype="Float64")}))

    assert [row[0] for row in rows(tex)] == shown


def test_chosen_numbers_rates_and_truths_are_shown_as_people_write_them() -> None:
    frame = pd.DataFrame({"cfg_scale": [4.0, 7.5], "failure_rate": [0.125, 0.0], "simulated": [True, False]})

    assert rows(to_latex(frame, exact=["cfg_scale"])) == [["4", "12.5", "yes"], ["7.5", "0.0", "no"]]


def test_a_table_without_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="name at least one"):
        to_latex(pd.DataFrame())


def samplers(tmp_path: Path) -> Any:
    def one(number: int, sampler: str, **known: Any) -> Any:
        params = ImageParams(user_prompt="a mill", sampler_name=sampler)
        return record(number, params=params, values={"sampler_name": sampler}, **known)

    known = {"execution_time_s": 2.0, "cost_usd": 0.001}
    return kept(tmp_path, [one(0, "Euler_a", **known), one(1, "Heun", **known), one(2, "Heun", **known)])


def test_a_run_gives_its_summary_without_what_is_not_known(tmp_path: Path) -> None:
    tex = samplers(tmp_path).to_latex(tmp_path / "deep" / "t.tex", by="sampler_name")

    assert (tmp_path / "deep" / "t.tex").read_text() == tex
    assert tex.splitlines()[0] == "% SIMULATOR: times and costs are made up"
    assert tex.splitlines()[3] == (
        "Sampler & Trials & Failure rate (\\%) & Execution time P50 (s) & Execution time P90 (s) & "
        "Cost per image (USD) \\\\"
    )
    assert rows(tex) == [
        ["Euler\\_a", "1", "0", "2.00", "2.00", "0.00100"],
        ["Heun", "2", "0", "2.00", "2.00", "0.00100"],
    ]


def test_a_run_gives_a_row_per_trial_and_columns_that_are_asked_for(tmp_path: Path) -> None:
    run = samplers(tmp_path)

    assert rows(run.to_latex())[0] == ["Euler\\_a", "2.00", "0.00100"]
    assert rows(run.to_latex(columns=["trial", "queue_delay_s"])) == [["0", "--"], ["1", "--"], ["2", "--"]]
    assert rows(run.to_latex(by=["sampler_name", "steps"], columns=["collected"])) == [
        ["Euler\\_a", "30", "1"],
        ["Heun", "30", "2"],
    ]
    with pytest.raises(ValueError, match="nothing is no column"):
        run.to_latex(columns=["nothing"])


def test_failures_are_told_in_percent(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0), failed(1), failed(2), record(3)])

    assert "Failure rate (\\%)" in run.to_latex(by="steps")
    assert rows(run.to_latex(by="steps", columns=["failure_rate"])) == [["4", "50.0"]]


def test_no_jinja_is_needed(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['jinja2'] = None\n"
        "import pandas as pd; from runpodkit.runs.tables import to_latex\n"
        "print(to_latex(pd.DataFrame({'steps': [1]})))"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)

    assert "\\toprule" in done.stdout, done.stderr
