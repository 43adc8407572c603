"""`runpodkit status` and `runpodkit prune` as a person uses them: real stand-ins, the command line in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import runpodkit as rk
from runpodkit import kit as kits
from runpodkit import overview, stack
from runpodkit.cli import main
from runpodkit.kit import Kit
from runpodkit.settings import Settings
from runpodkit.stack.state import read
from runpodkit.storage import s3


def _mock(prompt: str, trials: int, exec_ms: int = 20) -> rk.Sweep:
    extra = {"mock": {"exec_ms": exec_ms, "bytes": 300}}
    return rk.sweep(prompt, seed=list(range(1, trials + 1)), extra=extra, width=64, height=64, steps=1)


def test_on_a_fresh_home_status_says_that_nothing_is_there_and_makes_nothing(runpodkit, tmp_path):
    done = runpodkit("status")

    assert done.returncode == 0 and done.stderr == ""
    home = tmp_path / "home"
    assert done.stdout.startswith(f"nothing is there yet in {home}: rk.connect()")
    assert not home.exists()
    told = json.loads(runpodkit("status", "--json").stdout)
    assert (told["queues"], told["workers"], told["runs"], told["money_today"]) == (None, None, None, None)
    assert not home.exists()


@pytest.fixture
def said():
    """The command line in this process: a tenth of the time."""

    def run(*words: str, **env: str) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            opened: set[Kit] = set()
            patch.setattr(kits, "_open_kits", opened)
            try:
                return CliRunner().invoke(main, words, env=env, catch_exceptions=False)
            finally:  # the end of a process would close them
                for one in opened:
                    one.close()

    return run


@pytest.fixture
def own(tmp_path: Path):
    """A kit on a stack of its own, which the test may break."""
    kit = rk.connect(quiet=True)
    yield kit
    kit.close()
    stack.down(kit.settings)


def test_status_and_prune_on_one_screen_each(said, own: Kit):
    own.submit(_mock("a mill", 6), name="done").wait(progress=False)
    own.submit(_mock("a mill", 3), name="shares").wait(progress=False)
    slow = own.submit(_mock("a barn", 90, exec_ms=2000), name="slow").pause()

    seen = said("status")
    assert seen.exit_code == 0, seen.stdout + seen.stderr
    lines = seen.stdout.splitlines()
    assert lines[0].startswith("endpoint  SIMULATOR http://127.0.0.1:") and "jobs: " in lines[0]
    assert lines[1].startswith("queues    waiting: high_priority-") and " · unix:" in lines[1]
    assert lines[2].startswith("workers   ") and "heard of" in lines[2]
    assert lines[3].startswith("runs      slow: PAUSED, ") and lines[3].endswith("SIMULATOR")
    assert lines[4] == "money     nothing was paid today (UTC)"
    assert lines[5].startswith(f"disk      store {own.settings.home / 'store'}: ")
    assert {line.split(":")[0].strip() for line in lines[6:]} == {"done", "shares", "slow"}
    told = json.loads(said("status", "--json").stdout)
    assert [(run["name"], run["state"], run["trials"]) for run in told["runs"]] == [("slow", "PAUSED", 90)]

    bad = said("prune", "--older-than", "30")
    assert bad.exit_code == 1 and "such as 12h, 30d or 2w" in bad.stderr
    assert said("star", "shares").stdout == "run shares has a star\n"
    asked = said("prune", "--older-than", "0h", "--keep-starred")
    assert asked.exit_code == 1 and "add --yes" in asked.stderr
    dry = said("prune", "--older-than", "0h", "--keep-starred", "--dry-run")
    assert dry.exit_code == 0
    assert "would go: 1 run, 3 pictures," in dry.stdout and "3 pictures kept, as other runs use them" in dry.stdout
    assert "stays: slow: it is PAUSED: `runpodkit cancel slow` ends it" in dry.stdout
    assert own.open_run("done").state == "DONE"
    gone = said("prune", "--older-than", "0h", "--keep-starred", "--yes")
    assert gone.exit_code == 0 and gone.stdout.splitlines()[-1].startswith("gone: 1 run, 3 pictures,")
    assert all(picture.image for picture in own.open_run("shares").pictures())
    assert said("show", "done").exit_code == 1

    slow.cancel().wait(progress=False)
    slow.delete()
    assert not slow.exists()
    assert own.open_run("shares").delete().pictures == 3
    assert not list(own.store.keys("images/"))


def test_each_part_that_does_not_answer_says_so_and_the_others_are_shown(said, own: Kit, monkeypatch):
    monkeypatch.setattr(overview, "ENDPOINT_PATIENCE_S", 1.0)
    monkeypatch.setattr(s3, "FIRST_PAUSE_S", 0.01)
    own.submit(_mock("a mill", 2), name="done").wait(progress=False)
    state = read(own.settings.home)
    assert state.simulator and state.simulator.process and state.redis

    os.kill(state.simulator.process.pid, signal.SIGSTOP)
    try:
        silent = said("status")
    finally:
        os.kill(state.simulator.process.pid, signal.SIGCONT)
    assert silent.exit_code == 1
    assert "SIMULATOR does not answer" in silent.stdout and "workers   " in silent.stdout and "done: " in silent.stdout

    away = said("status", REDIS_URL="redis://:hunter2hunter2@127.0.0.1:1/0")
    assert away.exit_code == 1 and "hunter2" not in away.stdout + away.stderr
    assert "queues    unknown: Redis: could not count workers" in away.stdout
    assert "money     unknown: Redis does not answer" in away.stdout and "done: " in away.stdout

    bucket = {"S3_BUCKET_NAME": "b", "S3_ACCESS_KEY": "made-up", "S3_SECRET_KEY": "made-up-too"}
    lost = said("status", S3_ENDPOINT_URL="http://127.0.0.1:1", **bucket)
    assert lost.exit_code == 1
    assert "disk      store unknown: " in lost.stdout and "endpoint  SIMULATOR http" in lost.stdout

    os.kill(state.redis.process.pid, signal.SIGKILL)
    dead = said("status")
    assert dead.exit_code == 1 and "queues    unknown: ended by itself, log " in dead.stdout


def test_what_a_live_day_costs_is_told_with_its_cap(said, own: Kit):
    import redis

    with redis.Redis.from_url(stack.redis_url(own.settings)) as client:
        day = int(client.time()[0] // 86_400)
        client.set(f"runpodkit:paid:{day}", "1.5")
        client.set(f"runpodkit:guessed:{day}", "0.5")
        client.set(f"runpodkit:unpriced:{day}", "2")

        line = said("status", RUNPODKIT_USD_PER_DAY="20").stdout.splitlines()[4]
        assert line == "money     $1.50 of $20.00 a day today (UTC) (partly an estimate), and 2 jobs of unknown price"
        client.delete(f"runpodkit:paid:{day}", f"runpodkit:guessed:{day}")
    unknown = said("status").stdout.splitlines()[4]
    assert unknown == "money     unknown: 2 jobs of unknown price today (UTC); set RUNPODKIT_GPU for estimates"


def test_every_line_of_a_celery_worker_is_json_by_one_setting_and_none_holds_a_secret(
    celery_worker, simulated, bucket, own: Kit, tmp_path
):
    secret, key = "s3cr3t/of+the&bucket", "rpa_of_this_test_123456"
    remote = simulated("--no-limits")
    env = {
        "RUNPOD_API_KEY": "rpa_made_up_for_tests",
        "RUNPOD_URL": remote.url,
        "REDIS_URL": stack.redis_url(own.settings),
        "S3_BUCKET_NAME": "pictures",
        "S3_ACCESS_KEY": key,
        "S3_SECRET_KEY": secret,
        "S3_ENDPOINT_URL": bucket,
        "RUNPODKIT_LOG_JSON": "1",
        "RUNPODKIT_LOG_LEVEL": "DEBUG",
        "RUNPODKIT_HOME": str(tmp_path / "other"),
    }
    worker = celery_worker("noisy", env, "--loglevel=debug")
    worker.wait_ready()
    settings = Settings.load(tmp_path, **{name: value for name, value in env.items() if "LOG" not in name})
    kit = rk.connect(settings=settings, quiet=True)
    run = kit.submit(_mock("a mill", 3), name="told").wait(progress=False)
    assert run.state == "DONE"
    kit.close()
    worker.stop()

    lines = [json.loads(line) for line in worker.log.read_text().splitlines()]
    ours = [line for line in lines if line.get("tag") == "[RUNPOD BATCH]"]
    assert {line["run"] for line in ours} == {"told"} and all(line["task"] for line in ours)
    assert any(line["logger"].startswith("botocore") for line in lines)
    text = worker.log.read_text()
    for hidden in (secret, key, "rpa_made_up_for_tests", json.dumps(secret), "s3cr3t%2Fof%2Bthe%26bucket"):
        assert hidden not in text
    assert text.count("Signature=") == text.count("Signature=•••")
    assert not re.search(r"Signature:\\n[0-9a-f]", text)
