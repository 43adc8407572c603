"""`runpodkit status` and `runpodkit prune` as a person uses them: real stand-ins, the command line in a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import runpodkit as rk
from runpodkit import stack
from runpodkit.cli import main
from runpodkit.errors import StoreError
from runpodkit.kit import Kit
from runpodkit.settings import Settings
from runpodkit.stack.state import read


def _mock(prompt: str, trials: int, exec_ms: int = 20) -> rk.Sweep:
    extra = {"mock": {"exec_ms": exec_ms, "bytes": 300}}
    return rk.sweep(prompt, seed=list(range(1, trials + 1)), extra=extra, width=64, height=64, steps=1)


def test_on_a_fresh_home_status_says_that_nothing_is_there_and_makes_nothing(runpodkit, tmp_path):
    done = runpodkit("status")

    assert done.returncode == 0 and done.stderr == ""
    home = tmp_path / "home"
    assert done.stdout.startswith(f"nothing is there yet in {home}: rk.connect()")
    assert not home.exists()
    told = json.loads(status("--json").stdout)
    assert (told["queues"], told["workers"], told["runs"], told["money_today"]) == (None, None, None, None)
    assert not home.exists()


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home whose stack the last test breaks."""
    home = tmp_path_factory.mktemp("status") / "home"
    yield home
    stack.down(Settings.load(home.parent, RUNPODKIT_HOME=home))


@pytest.fixture
def own(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kit]:
    """Connected to the stand-ins of that home, which commands use too."""
    monkeypatch.setenv("RUNPODKIT_HOME", str(own_home))
    kit = rk.connect(quiet=True)
    yield kit
    kit.close()


def status(*words: str, **env: str) -> Result:
    """`runpodkit status` in this process, which is quicker: it opens nothing that would have to be closed."""
    return CliRunner().invoke(main, ["status", *words], env=env, catch_exceptions=False)


def test_status_and_prune_on_one_screen_each(runpodkit, own: Kit):
    own.submit(_mock("a mill", 6), name="done").wait(progress=False)
    own.submit(_mock("a mill", 3), name="shares").wait(progress=False)
    slow = own.submit(_mock("a barn", 40, exec_ms=500), name="slow").pause()
    small = {"width": 64, "height": 64, "steps": 1, "extra": {"mock": {"exec_ms": 20, "bytes": 300}}}
    singles = [own.generate("a quay", seed=seed, **small) for seed in (1, 2)]
    assert all(singles)

    seen = status()
    assert seen.exit_code == 0, seen.stdout + seen.stderr
    lines = seen.stdout.splitlines()
    assert lines[0].startswith("endpoint  SIMULATOR http://127.0.0.1:") and "jobs: " in lines[0]
    assert lines[1].startswith("queues    waiting: high_priority-") and " · unix:" in lines[1]
    assert lines[2].startswith("workers   ") and "heard of" in lines[2]
    assert lines[3].startswith("runs      slow: PAUSED, ") and lines[3].endswith("SIMULATOR")
    assert lines[4] == "money     nothing was paid today (UTC)"
    assert lines[5].startswith(f"disk      store {own.settings.home / 'store'}: ")
    assert " in 3 runs and 2 single pictures · home " in lines[5]
    assert {line.split(":")[0].strip() for line in lines[6:]} == {"done", "shares", "slow", "single pictures"}
    told = json.loads(status("--json").stdout)
    assert [(run["name"], run["state"], run["trials"]) for run in told["runs"]] == [("slow", "PAUSED", 40)]

    assert runpodkit("star", "shares").stdout == "run shares has a star\n"
    words = ("prune", "--older-than", "0h", "--keep-starred")
    asked = runpodkit(*words)
    assert asked.returncode == 1 and "add --yes" in asked.stderr
    dry = runpodkit(*words, "--dry-run")
    assert dry.returncode == 0
    assert "would go: 3 runs, 5 pictures," in dry.stdout and "3 pictures kept, as other runs use them" in dry.stdout
    assert "stays: slow: it is PAUSED: `runpodkit cancel slow` ends it" in dry.stdout
    assert own.open_run("done").state == "DONE"
    gone = runpodkit(*words, "--yes")
    assert gone.returncode == 0 and gone.stdout.splitlines()[-1].startswith("gone: 3 runs, 5 pictures,")
    assert all(picture.image for picture in own.open_run("shares").pictures())
    assert not own.open_run("slow").cancel().wait(progress=False).delete().kept
    assert not slow.exists()

    shares = own.open_run("shares")
    assert shares.delete().pictures == 3
    assert not list(own.store.keys("images/"))
    with pytest.raises(StoreError, match="run shares was deleted"):
        shares.star()
    assert not list(own.store.keys("runs/shares/"))
    assert " in 0 runs · home " in status().stdout


def test_what_a_live_day_costs_is_told_with_its_cap(own: Kit):
    import redis

    with redis.Redis.from_url(stack.redis_url(own.settings)) as client:
        day = int(client.time()[0] // 86_400)
        client.set(f"runpodkit:paid:{day}", "1.5")
        client.set(f"runpodkit:guessed:{day}", "0.5")
        client.set(f"runpodkit:unpriced:{day}", "2")

        line = status(RUNPODKIT_USD_PER_DAY="20").stdout.splitlines()[4]
        assert line == "money     $1.50 of $20.00 a day today (UTC) (partly an estimate), and 2 jobs of unknown price"
        client.delete(f"runpodkit:paid:{day}", f"runpodkit:guessed:{day}")
    unknown = status().stdout.splitlines()[4]
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


def test_a_redis_that_cannot_be_used_is_told_by_the_name_of_its_setting(own: Kit, tmp_path: Path):
    elsewhere = {"RUNPODKIT_HOME": str(tmp_path / "other")}
    url = stack.redis_url(own.settings)
    wrong = status(REDIS_URL=url.replace("unix://", "unix://nobody:hunter2hunter2@"), **elsewhere)
    assert wrong.exit_code == 1 and "hunter2" not in wrong.stdout
    assert "queues    unknown: Redis refuses the login, correct REDIS_URL: " in wrong.stdout
    assert "does not answer" not in wrong.stdout and "money     unknown without Redis" in wrong.stdout

    for url in ("notaurl", "hunter2:hunter2@host"):
        bad = status(REDIS_URL=url, **elsewhere)
        assert bad.exit_code == 1 and "hunter2" not in bad.stdout
        assert "is no Redis URL: set it like redis://127.0.0.1:6379/0" in bad.stdout and "REDIS_URL " in bad.stdout


def test_each_part_that_does_not_answer_says_so_and_the_others_are_shown(runpodkit, own: Kit):
    own.submit(_mock("a mill", 2), name="kept").wait(progress=False)
    state = read(own.settings.home)
    assert state.simulator and state.simulator.process and state.redis

    bucket = {"S3_BUCKET_NAME": "b", "S3_ACCESS_KEY": "made-up", "S3_SECRET_KEY": "made-up-too"}
    os.kill(state.simulator.process.pid, signal.SIGSTOP)
    try:
        silent = runpodkit("status", S3_ENDPOINT_URL="http://127.0.0.1:1", **bucket)
    finally:
        os.kill(state.simulator.process.pid, signal.SIGCONT)
    assert silent.returncode == 1
    assert "SIMULATOR does not answer" in silent.stdout and "heard of" in silent.stdout
    assert "disk      store unknown: " in silent.stdout

    away = status(REDIS_URL="redis://:hunter2hunter2@127.0.0.1:1/0")
    assert away.exit_code == 1 and "hunter2" not in away.stdout + away.stderr
    assert "queues    unknown: Redis: could not count workers" in away.stdout
    assert "money     unknown without Redis" in away.stdout and "kept: " in away.stdout
    assert "endpoint  SIMULATOR http" in away.stdout

    os.kill(state.redis.process.pid, signal.SIGKILL)
    dead = status()
    assert dead.exit_code == 1 and "queues    unknown: ended by itself, log " in dead.stdout


def test_a_home_that_holds_files_is_not_called_new(own_home: Path):
    stack.down(Settings.load(own_home.parent, RUNPODKIT_HOME=own_home))

    stopped = status(RUNPODKIT_HOME=str(own_home), S3_BUCKET_NAME="", REDIS_URL="").stdout

    assert "nothing is there yet" not in stopped
    assert "Redis is not running; rk.connect() starts it, and runs go on from where they were" in stopped
    for folder in own_home.glob("store/*"):
        shutil.rmtree(folder)
    assert "Redis is not running" in status(RUNPODKIT_HOME=str(own_home)).stdout
