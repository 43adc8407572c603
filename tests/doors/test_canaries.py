"""No key leaves its door: a sweep, pictures, failures, errors, exports and a login with a canary for every key.

Afterwards each canary is looked for, however it could be spelled, wherever somebody else might read.  An S3 access key is
the public half of its pair, and stands in each link that S3 signs: it is looked for everywhere but there.
"""

from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pytest
from nbclient import NotebookClient

from runpodkit import stack
from runpodkit.connecting import connect
from runpodkit.settings import Settings
from runpodkit.stack.state import read
from runpodkit.sweeps.sweep import sweep
from tests.doors.canaries import Hunt, ProcessList, new_canary, values
from tests.doors.conftest import System

pytestmark = pytest.mark.slow

GOOD = [
    """import logging, os, pickle, re
logging.basicConfig(level=logging.DEBUG, filename="root.log")  # whatever any library has to say
import runpodkit as rk
from runpodkit.logs import enable
enable("DEBUG", open("debug.log", "w"))
enable("DEBUG", open("debug.jsonl", "w"), as_json=True)
kit = rk.connect()
kit""",
    "for check in kit.check(): print(check)\nprint(kit.where())",
    """run = kit.submit(rk.sweep("a mill", width=64, height=64, steps=[1, 2, 3], seed=range(3)), name="mill")
run.wait()
print(run.failures().to_string())
run""",
    "run.table()",
    "run.grid(rows='steps', cols='seed')",
    "run.pictures()[0]",
    """for name in ("mill.csv", "mill.parquet", "mill.jsonl", "mill.html", "folder", "sheet.pdf"): run.export("out/" + name)
run.export("out/images", "imagefolder")
run.freeze("out/mill.zip")
run.grid().save("out/grid.png")
run.grid().save("out/grid.svg")""",
    """from runpodkit.tasks import generate_image_runpod_task, test_runpod_connection_task
print(test_runpod_connection_task.delay().get(timeout=60))
tasks = [generate_image_runpod_task.delay(user_prompt="a fox", width=64, height=64, steps=steps) for steps in (2, 3, 4)]
tasks.append(generate_image_runpod_task.delay(user_prompt="a fox", width=63))
for task in tasks: print(task.get(timeout=60, propagate=False) and task.status, task.traceback)""",
    """from runpodkit.endpoint.client import Endpoint
async with Endpoint(kit.address.url, kit.address.api_key) as endpoint:
    job = await endpoint.submit({"prompt": "a fox", "width": 64, "height": 64, "steps": 1}, webhook=open("webhook").read())
    print(endpoint, job, endpoint._repr_html_(), job._repr_html_())""",
    """things = [kit, kit.settings, kit.endpoint, kit.store, kit.ledger, kit.dispatcher, kit.address, kit.dialect, run, rk.Kit]
for thing in things: print(repr(thing), str(thing), vars(kit.settings))
kit.settings""",
    """from runpodkit.settings import Settings
def elsewhere(**changed):
    settings = Settings.load(**changed)
    return rk.Kit(settings, settings.address(), stands_in=False)
def kept(error):
    "All that an error carries along, and what is in the variables of our own frames, goes into a file."
    with open("errors", "ab") as file:
        while error:
            try: file.write(pickle.dumps(error))
            except Exception as no: file.write(repr(no).encode())
            file.write(repr((error, str(error), error.args, vars(error))).encode())
            frames = error.__traceback__
            while frames:
                if "/runpodkit/" in frames.tb_frame.f_code.co_filename:
                    file.write(repr(frames.tb_frame.f_locals).encode())
                frames = frames.tb_next
            error = error.__cause__ or error.__context__
def tried(what):
    try: return what()
    except Exception as error:
        kept(error)
        raise
def spelled(name, old, new): return re.sub(old, new, os.environ[name])""",
]
WRONG = [  # nobody listens, a key is wrong, or a value cannot be meant: for each part
    "tried(lambda: elsewhere(RUNPOD_API_KEY=spelled('RUNPOD_API_KEY', 'rpa', 'wrong'), RUNPOD_URL=os.environ['RUNPOD_URL'])"
    ".generate('a fox', width=64, height=64))",
    """async with Endpoint('http://127.0.0.1:1/v2/local', kit.address.api_key) as endpoint:
    try: await endpoint.submit({'prompt': 'a fox'})
    except Exception as error:
        kept(error)
        raise""",
    "tried(lambda: elsewhere(REDIS_URL=spelled('REDIS_URL', ':[0-9]+/0', ':1/0')).generate('a fox'))",
    "tried(lambda: elsewhere(REDIS_URL=spelled('REDIS_URL', 'canary', 'wrong-canary')).generate('a fox'))",
    "tried(lambda: rk.connect(settings=Settings.load(REDIS_URL=spelled('REDIS_URL', ':[0-9]+/0', ':1/0'))))",
    "tried(lambda: rk.connect(settings=Settings.load(REDIS_URL=spelled('REDIS_URL', 'canary', 'wrong-canary'))))",
    "tried(lambda: elsewhere(YANDEX_ENDPOINT_URL='http://127.0.0.1:1').store.put('a/b', b'c'))",
    "tried(lambda: elsewhere(YANDEX_SECRET_KEY=spelled('YANDEX_SECRET_KEY', 'canary', 'wrong-canary')).store.get('a/b'))",
    "tried(lambda: elsewhere(YANDEX_BUCKET_NAME='nobody-has-it').store.put('a/b', b'c'))",
    "tried(lambda: rk.connect('https://elsewhere.example/v2/abcdef'))",
    "tried(lambda: kit.generate('a fox', width=63))",
    "tried(lambda: kit.submit(rk.sweep('another', steps=[1, 2]), name='mill'))",
    "kit.nothing",
]
TOLD = [  # a key where none belongs: what the person wrote is not repeated
    "Settings.load(RUNPOD_API_KEY=os.environ['RUNPOD_API_KEY'] + ' two words')",
    "Settings.load(RUNPODKIT_CONFIRM_USD=os.environ['RUNPOD_API_KEY'])",
    "Settings.load(RUNPOD_URL=os.environ['RUNPOD_API_KEY'])",
    "rk.connect('https://user:' + os.environ['RUNPOD_API_KEY'] + '@elsewhere.example/v2/abcdef')",
    "elsewhere(REDIS_URL='redis://' + spelled('REDIS_URL', 'redis://', '').replace('127.0.0.1', '[::1'))",
]
VERBOSE = "%xmode Verbose"  # tracebacks with what is in variables
CREDENTIAL = re.compile(rb"(Credential(?:=|%3D))canary-s3id-[0-9a-f]+")
SIGNED = b"X-Amz-Signature="


class Evidence(NamedTuple):
    """What was left where."""

    system: System
    notebook: dict[str, Any]
    command_lines: set[bytes]
    said: dict[str, str]
    """By command, what it printed."""
    heard: bytes
    """What went over Redis's channels."""
    packed: bytes
    """Errors with all that they carry."""


@pytest.fixture(scope="module")
def evidence(system: System) -> Iterator[Evidence]:
    """All of it happens once."""
    canary = system.canaries
    (system.work / "webhook").write_text(f"http://127.0.0.1:1/done?token={canary['webhook secret']}")
    (system.root / "endpoints.toml").write_text(
        '[other]\nurl = "http://127.0.0.1:1/v2/abcdef"\nkey_env = "OTHER_KEY"\n'
    )
    with ProcessList() as seen, system.redis() as server, server.pubsub(ignore_subscribe_messages=True) as channels:
        channels.psubscribe("*")
        worker = ("celery", "-A", "runpodkit.tasks", "worker", "--loglevel=debug", "--concurrency=1", "-E")
        system.start(*worker, name="worker")
        system.said("worker", " ready.")
        notebook = executed(system)
        (system.work / "webhook").unlink()
        login = {"RUNPODKIT_HOME": str(system.root / "login"), "RUNPOD_API_KEY": "", "RUNPOD_URL": "", "REDIS_URL": ""}
        said = {
            "check": system.run("-v", "check"),
            "stack status": system.run("stack", "status"),
            "a run": system.run("-v", "show", "mill"),
            "login": system.run("login", stdin=canary["login"] + "\n", **login),
            "a plan for another endpoint": system.run(
                "sweep",
                str(plan(system)),
                "--name",
                "elsewhere",
                RUNPODKIT_ENDPOINTS=str(system.root / "endpoints.toml"),
            ),
            "the worker's settings": celery(system, "inspect", "conf"),
        }
        heard, silent = b"", 0
        while silent < 3:  # the word that it listens counts as silence
            message = channels.get_message(timeout=0.2)
            silent += message is None
            if message:
                heard += message["channel"] + message["data"] + unpacked(message["data"])
        packed = (system.work / "errors").read_bytes()
        (system.work / "errors").unlink()
        yield Evidence(system, notebook, seen.lines, said, heard, packed)


def unpacked(data: bytes) -> bytes:
    """The body of a message, where it is one."""
    try:
        return base64.b64decode(json.loads(data)["body"])
    except (ValueError, KeyError, TypeError):
        return b""


def plan(system: System) -> Path:
    file = system.work / "PLAN.toml"
    file.write_text('name = "elsewhere"\n[base]\nuser_prompt = "a mill"\n[axes]\nendpoint = ["other"]\nsteps = [1]\n')
    return file


def celery(system: System, *words: str) -> str:
    command = [sys.executable, "-m", "celery", "-A", "runpodkit.tasks", *words]
    done = subprocess.run(command, cwd=system.work, env=system.env, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def executed(system: System) -> dict[str, Any]:
    """The cells, run in a kernel with the canaries in its environment, as they are saved."""
    cells = [*GOOD, *TOLD, VERBOSE, *WRONG]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    where = {"metadata": {"path": str(system.work)}}
    NotebookClient(book, timeout=120, allow_errors=True, resources=where, kernel_name="python3").execute(env=system.env)
    nbformat.write(book, system.work / "saved.ipynb")
    saved: dict[str, Any] = json.loads((system.work / "saved.ipynb").read_text())
    return saved


def hunting(evidence: Evidence, *but: str) -> Hunt:
    return Hunt({name: secret for name, secret in evidence.system.canaries.items() if name not in but})


def without_credential(data: bytes) -> bytes:
    return CREDENTIAL.sub(rb"\1", data)


def test_a_canary_is_found_however_it_is_spelled() -> None:
    """The hunt itself can fail."""
    secret = new_canary("self")
    import io
    import zipfile

    from PIL import Image, PngImagePlugin

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/b", f"…{secret}…" * 9)
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "x" * 100 + secret, zip=True)
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "png", pnginfo=text)
    spelled = [secret.encode(), json.dumps({"a": secret}).encode(), packed.getvalue(), picture.getvalue()]
    spelled += [base64.b64encode(b"x" * shift + secret.encode() + b"yz") for shift in range(4)]

    for data in spelled:
        hunt = Hunt({"self": secret})
        hunt.look("here", data)
        assert hunt.found
    hunt = Hunt({"self": secret})
    hunt.look("here", b"nothing of it")
    assert not hunt.found


def test_it_all_happened(evidence: Evidence) -> None:
    """What is looked through below is what was meant: good parts went well, wrong ones did not."""
    failed = [
        [output["ename"] for output in cell["outputs"] if output["output_type"] == "error"]
        for cell in evidence.notebook["cells"]
    ]
    first = len(GOOD)
    assert failed[:first] == [[]] * first, "".join(map(str, evidence.notebook["cells"][:first]))
    assert [len(names) for names in failed[first:]] == [*[1] * len(TOLD), 0, *[1] * len(WRONG)]
    told = json.dumps(evidence.notebook)
    for words in (
        "LedgerError",
        "StoreError",
        "RunHeldError",
        "TransportError",
        "ConfigError",
        "RunConflictError",
        "FAILED",
    ):
        assert words in told
    assert "stored in" in evidence.said["login"]
    assert "runpodkit.generate_image" in evidence.heard.decode("latin-1")


def test_no_key_is_in_what_a_notebook_keeps(evidence: Evidence) -> None:
    hunt = hunting(evidence)
    for number, cell in enumerate(evidence.notebook["cells"]):
        text = json.dumps(cell["outputs"], ensure_ascii=False)
        hunt.look(f"cell {number}", text.encode())
        hunt.look(f"cell {number} without colours", re.sub(r"\\u001b\[[0-9;]*m", "", text).encode())
        assert SIGNED.decode() not in text
    assert hunt.found == []


def test_no_key_is_in_an_error_its_causes_or_the_variables_of_our_frames(evidence: Evidence) -> None:
    assert evidence.packed.count(b"runpodkit.errors") >= 8
    hunt = hunting(evidence)
    hunt.look("errors", evidence.packed)
    assert hunt.found == []


def test_no_key_is_on_a_command_line(evidence: Evidence) -> None:
    lines = b"\n".join(evidence.command_lines)
    for part in (b"celery", b"ipykernel", b"runpodkit\0simulate", b"runpodkit\0login"):
        assert part in lines
    hunt = hunting(evidence)
    hunt.look("the list of processes", lines)
    assert hunt.found == []


def test_no_key_is_in_what_commands_print(evidence: Evidence) -> None:
    hunt = hunting(evidence)
    for command, text in evidence.said.items():
        assert text, command
        hunt.look(command, text.encode())
    assert hunt.found == []


def test_no_key_is_in_redis_or_goes_over_its_channels(evidence: Evidence) -> None:
    hunt = hunting(evidence, "S3 access key")
    with evidence.system.redis() as server:
        assert hunt.look_in_redis(server) > 20
        results = list(server.scan_iter("runpodkit:celery:celery-task-meta-*"))
        kept = [key for key in server.scan_iter() if SIGNED in b"".join(values(server, key))]
        assert kept and set(kept) <= set(results)  # a task's result is its link, for an hour
        assert all(0 < server.ttl(key) <= 3600 for key in results)
    hunt.look("channels", evidence.heard)
    told = [data for data in evidence.heard.split(b"runpodkit:celery:") if b"task-succeeded" in data]
    assert told and not any(SIGNED in data for data in told)  # what Flower shows
    assert hunt.found == []


def test_no_key_is_in_any_file_but_those_made_for_it(evidence: Evidence) -> None:
    root = evidence.system.root
    made_for_it = root / "login" / "login.env"
    of_servers = {root / "s3.log", *root.rglob("appendonly*")}  # the S3 server's own log has the links that it served
    hunt = hunting(evidence, "S3 access key")
    seen = hunt.look_in_folder(root, but={made_for_it})

    assert hunt.found == []
    assert {"mill.csv", "mill.html", "mill.zip", "grid.png", "sheet.pdf", "debug.log", "root.log", "worker.log"} <= seen
    assert {"saved.ipynb", "journal.jsonl", "simulator.log", "mill.parquet", "metadata.jsonl"} <= seen
    assert stat.S_IMODE(made_for_it.stat().st_mode) == 0o600
    assert stat.S_IMODE(made_for_it.parent.stat().st_mode) == 0o700
    assert evidence.system.canaries["login"] in made_for_it.read_text()
    for path in root.rglob("*"):
        if path.is_file() and path not in of_servers:
            data = path.read_bytes()
            assert evidence.system.canaries["S3 access key"].encode() not in without_credential(data), path
            assert SIGNED not in data, path


def test_no_key_is_in_the_bucket(evidence: Evidence) -> None:
    hunt = hunting(evidence)
    values = evidence.system.bucket()
    for key, data in values.items():
        hunt.look(key, data)
    assert {key.rpartition(".")[2] for key in values} >= {"png", "json"}
    assert hunt.found == []


def test_the_stand_ins_key_is_in_the_file_made_for_it_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = Settings.load(tmp_path, RUNPODKIT_HOME=home)
    with ProcessList() as seen:
        kit = connect(settings=settings, quiet=True)
        try:
            run = kit.submit(sweep("a mill", width=64, height=64, steps=1, seed=range(2)), name="mill")
            run.wait()
            run.export(tmp_path / "out" / "mill.html")
            run.freeze(tmp_path / "out" / "mill.zip")
            simulator = read(home).simulator
            assert simulator is not None
            hunt = Hunt({"the simulator's key": simulator.key})
            import redis

            with redis.Redis.from_url(stack.redis_url(settings)) as server:
                assert hunt.look_in_redis(server) > 5
            hunt.look("reprs", repr((kit, kit.settings, kit.endpoint, kit.address, kit.where(), simulator)).encode())
        finally:
            kit.close()
            stack.down(settings)
    hunt.look("the list of processes", b"\n".join(seen.lines))
    hunt.look_in_folder(tmp_path, but={home / "stack.json"})

    assert hunt.found == []
    about = (home / "stack.json").stat()
    assert (stat.S_IMODE(about.st_mode), about.st_uid) == (0o600, os.getuid())
    assert simulator.key in (home / "stack.json").read_text()
