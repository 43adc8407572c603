"""The command line as a person types it, each command in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from runpodkit.cli import main
from runpodkit.endpoint.dialects import built_in
from runpodkit.runs.tables import read_csv
from tests.whole.conftest import KEY, Command, Simulated, last_json

PLAN = """
[base]
user_prompt = "a lighthouse at dusk"
width = 64
height = 64
steps = 2

[axes]
sampler_name = ["Euler", "Heun"]
seed = "1-3"
"""
SLOW_PLAN = PLAN.replace("[axes]", "[base.extra]\nmock = { exec_ms = 1500, bytes = 2000 }\n\n[axes]").replace(
    "1-3", "1-12"
)


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN)
    return path


def test_the_quick_demo_leaves_grid_table_and_images(home: Path, runpodkit: Command, tmp_path: Path) -> None:
    done = runpodkit("demo", "--quick", "--out", "shown")

    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("SIMULATOR (nothing is paid)")
    table = pd.read_csv(tmp_path / "shown" / "results.csv")
    assert len(table) == 6
    wanted = ["seed", "steps", "sampler_name", "queue_delay_s", "execution_time_s", "cost_usd", "image"]
    assert table[wanted].notna().all(axis=None)
    for name in table["image"]:
        with Image.open(tmp_path / "shown" / name) as image:
            assert image.size == (416, 608)
    with Image.open(tmp_path / "shown" / "grid.png") as grid:
        assert grid.width > 600
    for name in ("grid.png", "results.csv", "images", "by-seed.png"):
        assert f"shown/{name}" in done.stdout
    assert "next:" in done.stdout


def test_a_sweep_ends_with_one_object_that_says_it_all(home: Path, runpodkit: Command, plan: Path) -> None:
    done = runpodkit("sweep", str(plan), "--name", "six", "--out", "out", "--json")

    assert done.returncode == 0, done.stderr
    report = last_json(done)
    said = {name: report[name] for name in ("name", "trials", "collected", "failed", "reused", "maybe_paid_twice")}
    assert said == {"name": "six", "trials": 6, "collected": 6, "failed": 0, "reused": 0, "maybe_paid_twice": 0}
    assert (report["held_reason"], report["submissions"], report["cost_is_estimate"]) == (None, 6, True)
    assert (report["table"], report["images"]) == ("out/results.csv", "out/images")
    assert {"wall_s", "status_calls", "celery_tasks", "cost_usd"} <= report.keys()


def test_the_same_sweep_again_sends_nothing(home: Path, runpodkit: Command, plan: Path) -> None:
    reports = [last_json(runpodkit("sweep", str(plan), "--name", "again", "--json")) for _ in range(2)]

    assert reports[0]["submissions"] == reports[1]["submissions"]
    assert reports[1]["collected"] == 6


def test_a_dry_run_tells_and_does_nothing(home: Path, runpodkit: Command, plan: Path) -> None:
    done = runpodkit("sweep", str(plan), "--name", "dry", "--dry-run")

    assert done.returncode == 0, done.stderr
    assert "6 trials" in done.stdout
    assert "dry" not in runpodkit("runs").stdout


def test_a_run_is_listed_shown_exported_and_drawn(home: Path, runpodkit: Command, plan: Path, tmp_path: Path) -> None:
    runpodkit("sweep", str(plan), "--name", "seen")

    listed = json.loads(runpodkit("runs", "--json").stdout)
    exported = runpodkit("export", "seen", "--format", "csv", "--out", "seen.csv")
    drawn = runpodkit("grid", "seen", "--rows", "sampler_name", "--cols", "seed", "--out", "seen.png")

    assert "seen" in [run["name"] for run in listed]
    assert runpodkit("show", "seen").stdout.strip() == "Run seen: DONE, 6 of 6 pictures, SIMULATOR"
    assert exported.stdout.strip() == "seen.csv"
    assert len(pd.read_csv(tmp_path / "seen.csv")) == 6
    assert drawn.returncode == 0, drawn.stderr
    with Image.open(tmp_path / "seen.png") as image:
        assert image.width > image.height > 0


def test_a_run_is_exported_by_suffix_by_name_and_from_its_folder(
    home: Path, runpodkit: Command, plan: Path, tmp_path: Path
) -> None:
    runpodkit("sweep", str(plan), "--name", "given-away")
    kept = str(home / "store" / "runs" / "given-away")

    done = {
        words[0]: runpodkit("export", *words[1:])
        for words in (
            ("csv", "given-away", "--out", "t.csv", "--public-base-url", "https://cdn.example.org/p"),
            ("parquet", kept, "--out", "t.parquet"),
            ("jsonl", kept, "--format", "jsonl", "--out", "t.txt", "--links", "3"),
            ("imagefolder", kept, "--format", "imagefolder", "--out", "data", "--split", "train"),
            ("folder", kept, "--out", "shown"),
        )
    }

    assert [(name, one.returncode, one.stderr) for name, one in done.items() if one.returncode] == []
    assert done["imagefolder"].stdout.strip() == "data"
    assert read_csv(tmp_path / "t.csv")["url"].str.startswith("https://cdn.example.org/p/images/").all()
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 6
    assert "the links in t.txt are a secret" in done["jsonl"].stderr
    assert (tmp_path / "t.txt").read_text().count("file:///") == 6
    assert len((tmp_path / "data/train/metadata.jsonl").read_text().splitlines()) == 6
    assert (tmp_path / "shown/grid.png").is_file()


def test_what_cannot_be_exported_is_one_line(home: Path, runpodkit: Command, plan: Path) -> None:
    runpodkit("sweep", str(plan), "--name", "refused")

    for words, said in (
        (("refused", "--out", "t.xlsx"), "no format ends in .xlsx; known: .csv"),
        (("refused", "--out", "t.csv", "--links", "30"), "links=30: signed links last 1 to 7 days"),
        (("refused", "--out", "t.csv", "--public-base-url", "ftp://x"), "give an address such as"),
        (("refused", "--out", "t.csv", "--split", "train"), "split means nothing for csv"),
        (("no-such-run", "--out", "t.csv"), "no run is named 'no-such-run'"),
    ):
        done = runpodkit("export", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_an_export_opens_in_the_browser_on_request(home: Path, runpodkit: Command, plan: Path, tmp_path: Path) -> None:
    runpodkit("sweep", str(plan), "--name", "opened")
    browser = tmp_path / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > "$(dirname "$0")/asked"\n')
    browser.chmod(0o755)

    done = runpodkit("export", "opened", "--out", "t.csv", "--open", BROWSER=f"{browser} %s")

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "asked").read_text().strip() == (tmp_path / "t.csv").as_uri()


def test_a_run_is_summed_up_for_people_programs_and_papers(home: Path, runpodkit: Command, plan: Path) -> None:
    plan.write_text(PLAN.replace("dusk", "a price"))  # nothing of it is reused
    runpodkit("sweep", str(plan), "--name", "summed")

    shown = runpodkit("summary", "summed")
    told = json.loads(runpodkit("summary", "summed", "--by", "sampler_name,steps", "--json").stdout)
    csv = runpodkit("summary", "summed", "--by", "seed", "--csv").stdout
    tex = runpodkit("summary", "summed", "--latex").stdout
    wrong = runpodkit("summary", "summed", "--by", "colour")

    assert shown.stderr.strip() == "Run summed: DONE, 6 of 6 pictures, SIMULATOR"
    assert [line.split()[:3] for line in shown.stdout.splitlines()] == [
        ["sampler_name", "trials", "collected"], ["Euler", "3", "3"], ["Heun", "3", "3"],
    ]  # fmt: skip
    first = told[0]
    assert (first["sampler_name"], first["steps"], first["failed"], first["failure_rate"]) == ("Euler", 2, 0, 0.0)
    assert first["cost_per_image_usd"] == pytest.approx(first["cost_usd"] / 3)
    assert [line.split(",")[:2] for line in csv.splitlines()] == [
        ["seed", "trials"],
        ["1", "2"],
        ["2", "2"],
        ["3", "2"],
    ]
    assert tex.startswith(
        "% SIMULATOR: times and costs are made up\n\\begin{tabular}{lrrrrr}\n\\toprule\nSampler & Trials & "
    )
    assert wrong.returncode == 1
    assert "colour is no column to group by; columns: trial, state" in wrong.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("base = 3", "base"),
        ("[base]\nuser_prompt = 'x'\nsteps = 0", "steps=0"),
        ("[base]\nuser_prompt = 'x'\n[axes]\nsteps = []", "axis steps"),
        ("[base]\nuser_prompt = 'x'\n[axes]\nsampler_name = ['Eular']", "did you mean 'Euler'"),
        ("[base]\nuser_prompt = 'x'\nwidth = 100", "width=100"),
        ("[base]\nuser_prompt = 'x'\n[policy]\nbudget = 3", "budget"),
        ("[base", "plan.toml"),
    ],
)
def test_a_bad_plan_is_one_line_and_exit_code_one(
    home: Path, runpodkit: Command, plan: Path, text: str, said: str
) -> None:
    plan.write_text(text)

    done = runpodkit("sweep", str(plan), "--name", "bad")

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("Error")]) == 1


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"RUNPOD_API_KEY": KEY}, "RUNPOD_API_KEY is set but RUNPOD_URL is not"),
        ({"RUNPOD_URL": "abc123def456"}, "RUNPOD_API_KEY is not set"),
        ({"RUNPOD_API_KEY": KEY, "RUNPOD_URL": "ftp://x"}, "is not an endpoint: set it to"),
        ({"RUNPODKIT_DIALECT": "klingon"}, "'klingon' is unknown; known: native"),
        ({"RUNPODKIT_GPU": "abacus"}, "not in the price table"),
        ({"REDIS_URL": "redis://127.0.0.1:9/0"}, "Redis"),
    ],
)
def test_a_bad_setting_is_one_line_that_says_what_to_set(
    home: Path, runpodkit: Command, env: dict[str, str], said: str
) -> None:
    done = runpodkit("check", **env)

    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert KEY not in done.stdout + done.stderr


def test_the_stack_comes_up_twice_as_once_and_goes_down(tmp_path: Path, runpodkit: Command) -> None:
    own = str(tmp_path / "own")
    try:
        first, second = (json.loads(runpodkit("stack", "up", "--json", RUNPODKIT_HOME=own).stdout) for _ in range(2))
    finally:
        down = runpodkit("stack", "down", RUNPODKIT_HOME=own)

    assert [(part["name"], part["running"]) for part in first] == [
        ("Redis", True),
        ("simulator", True),
        ("Celery worker", True),
    ]
    assert [part["pid"] for part in first] == [part["pid"] for part in second]
    assert down.stdout.count("off") == 3
    assert not any(_alive(part["pid"]) for part in first)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]


def test_check_names_every_part(home: Path, runpodkit: Command) -> None:
    done = runpodkit("check")

    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()[1:]] == [
        "ok   endpoint",
        "ok   dialect",
        "ok   price",
        "ok   Redis",
        "ok   store",
    ]


def test_simulate_prints_a_key_that_works_and_refuses_a_taken_port(
    runpodkit: Command, simulated: Callable[..., Simulated], home: Path
) -> None:
    one = simulated()

    checked = runpodkit("check", RUNPOD_URL=one.url, RUNPOD_API_KEY=KEY)
    taken = runpodkit("simulate", "--port", str(one.port))

    assert "SIMULATOR" in checked.stdout
    assert checked.returncode == 0, checked.stdout
    assert taken.returncode == 1
    assert f"port {one.port} on 127.0.0.1 is taken" in taken.stderr
    assert "Traceback" not in taken.stderr


def test_ctrl_c_stops_watching_and_not_the_run(home: Path, runpodkit: Command, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(SLOW_PLAN)
    words = [sys.executable, "-m", "runpodkit", "sweep", "slow.toml", "--name", "interrupted"]
    watching = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while "interrupted" not in runpodkit("runs").stdout and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(1)

    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=20)
    after = runpodkit("show", "interrupted", "--wait")

    assert watching.returncode == 130
    assert "goes on in the Celery worker" in said
    assert "runpodkit cancel interrupted" in said
    assert "Traceback" not in said
    assert "DONE, 24 of 24 pictures" in after.stdout


def test_a_run_can_be_cancelled_from_another_terminal(home: Path, runpodkit: Command, tmp_path: Path) -> None:
    (tmp_path / "slow.toml").write_text(SLOW_PLAN.replace("1500", "60000").replace("dusk", "dawn"))
    words = [sys.executable, "-m", "runpodkit", "sweep", "slow.toml", "--name", "unwanted", "--json"]
    watching = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while "unwanted" not in runpodkit("runs").stdout and time.monotonic() < deadline:
        time.sleep(0.2)

    runpodkit("cancel", "unwanted")
    out, _ = watching.communicate(timeout=30)

    report = json.loads(out.strip().splitlines()[-1])
    assert watching.returncode == 1
    assert (report["state"], report["collected"], report["failed"]) == ("CANCELLED", 0, 24)


def test_the_endpoint_dies_in_the_middle_and_the_run_goes_on_when_it_is_back(
    home: Path, simulated: Callable[..., Simulated], tmp_path: Path
) -> None:
    endpoint = simulated("--workers", "4")
    (tmp_path / "slow.toml").write_text(SLOW_PLAN.replace("1500", "800").replace("dusk", "noon"))
    words = [sys.executable, "-m", "runpodkit", "sweep", "slow.toml", "--name", "survives", "--json", "--out", "out"]
    env = {**os.environ, "RUNPOD_URL": endpoint.url, "RUNPOD_API_KEY": KEY}
    watching = subprocess.Popen(words, cwd=tmp_path, env=env, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    store = home / "store" / "images"
    before = len(list(store.rglob("*.png"))) if store.exists() else 0
    deadline = time.monotonic() + 40
    while len(list(store.rglob("*.png"))) < before + 6 and time.monotonic() < deadline:
        time.sleep(0.1)

    endpoint.kill()
    time.sleep(2)
    endpoint.start()
    out, said = watching.communicate(timeout=120)

    report = json.loads(out.strip().splitlines()[-1])
    assert watching.returncode == 0, said
    assert (report["collected"], report["failed"]) == (24, 0)
    # Every extra submission is accounted for: jobs that the endpoint forgot, or whose answer was lost.
    assert report["submissions"] - 24 <= report["maybe_paid_twice"] <= 16
    assert KEY not in out + said


def test_a_missing_extra_is_one_line_with_its_command(home: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['uvicorn'] = None\n")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-m", "runpodkit", "simulate", "--port", "0"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert done.stderr == "Error: uvicorn is not installed: pip install 'runpodkit[local,lab]'\n"


def test_every_command_of_the_readme_is_there() -> None:
    listed = CliRunner().invoke(main, ["--help"]).output

    for name in (
        "demo",
        "sweep",
        "runs",
        "show",
        "cancel",
        "export",
        "summary",
        "grid",
        "stack",
        "simulate",
        "dialects",
        "login",
        "check",
    ):
        assert f"  {name} " in listed


def test_a_login_is_stored_hidden_tried_at_once_and_used(
    tmp_path: Path, simulated: Callable[..., Simulated], runpodkit: Command
) -> None:
    one = simulated()
    home = {"RUNPODKIT_HOME": str(tmp_path / "own home")}
    done = subprocess.run(
        [sys.executable, "-m", "runpodkit", "login", "--url", one.url],
        input=KEY + "\n", capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **home}, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("ok   endpoint: SIMULATOR, ")
    assert KEY not in done.stdout + done.stderr
    assert stat.S_IMODE((tmp_path / "own home/login.env").stat().st_mode) == 0o600
    wrong = subprocess.run(
        [sys.executable, "-m", "runpodkit", "login", "--url", one.url],
        input="rpa_wrong\n", capture_output=True, text=True, cwd=tmp_path, env={**os.environ, **home}, timeout=60,
    )  # fmt: skip
    assert wrong.returncode == 1
    assert "FAIL endpoint: HTTP 401" in wrong.stdout
    assert "runpodkit login stores another key" in wrong.stdout
    assert "forgotten" in runpodkit("login", "--remove", **home).stdout


def test_check_draws_a_picture_when_asked(home: Path, runpodkit: Command) -> None:
    done = runpodkit("check", "--picture", "--json")

    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert [check["what"] for check in told["checks"]] == ["endpoint", "dialect", "price", "Redis", "store", "picture"]
    assert told["checks"][-1]["detail"].startswith("832×1216 in ")


def test_dialects_are_listed_and_one_is_tried_without_a_network(runpodkit: Command, tmp_path: Path) -> None:
    (tmp_path / "answer.json").write_text(
        '{"id":"a","status":"COMPLETED","output":{"images":["https://e.org/a.png?k=1"],"seed":0}}'
    )
    (tmp_path / "failed.json").write_text(
        '{"id":"a","status":"COMPLETED","output":{"error":"Missing \'workflow\' parameter"}}'
    )

    listed = runpodkit("dialects", "--json")
    tried = runpodkit("dialect", "try", "sdxl", "--sample", "answer.json")
    failed = runpodkit("dialect", "try", "sdxl", "--sample", "failed.json")
    unknown = runpodkit("dialect", "try", "klingon")

    assert len(json.loads(listed.stdout)) == len(built_in())
    assert json.loads(tried.stdout)["input"]["scheduler"] == "DDIM"
    assert "picture 0: link https://e.org/a.png, seed 0" in tried.stderr
    assert failed.returncode == unknown.returncode == 1
    assert "use the comfyui dialect" in failed.stderr
    assert "'klingon' is unknown; known: native" in unknown.stderr


def test_a_held_run_is_resumed_and_what_was_cancelled_is_drawn_again(home: Path, runpodkit: Command) -> None:
    plan = home.parent / "budget.toml"
    slow = "{mock = {exec_ms = 100, bytes = 300}}"
    plan.write_text(
        f'[base]\nuser_prompt = "a dear mill"\nwidth = 64\nheight = 64\nextra = {slow}\n[axes]\nseed = "1-30"\n'
        "[policy]\nbudget_usd = 0.0003\nwindow = 2\n"
    )

    held = runpodkit("sweep", str(plan), "--name", "dear")
    refused = runpodkit("resume", "dear", "--budget-usd", "-1")
    resumed = runpodkit("resume", "dear", "--budget-usd", "1")
    shown = runpodkit("show", "dear", "--wait")
    again = runpodkit("retry", "dear")

    assert held.returncode == 1
    assert "budget: $0.000" in held.stderr + held.stdout
    assert "run.resume" in held.stderr
    assert refused.returncode == 2
    assert resumed.returncode == 0
    assert "30 of 30 pictures" in shown.stdout
    assert "DONE, 30 of 30 pictures" in again.stdout
