"""A real JupyterLab on loopback and the system's Chromium, both of this process alone."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from runpodkit import stack
from runpodkit.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Page

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic",
]  # fmt: skip
PATIENCE_MS = 60_000
"""What a test expects of a page may take so long: a machine that is busy with other tests is no failure."""
_SETTINGS = ("RUNPOD", "YANDEX_", "S3_", "REDIS_URL")


class Lab:
    """One JupyterLab: its address, its token and the folder it shows."""

    def __init__(self, work: Path) -> None:
        self.folder, self.token = work / "notebooks", secrets.token_hex(16)
        self.folder.mkdir()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        for path, settings in _lab_settings(work).items():
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(settings))
        folders = {name: str(work / name.lower()) for name in (
            "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR",
            "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR",
        )}  # fmt: skip
        folders["JUPYTER_RUNTIME_DIR"] = str(work / "run")  # holds sockets, whose paths end at 107 characters
        env = {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
        self.log = work / "lab.log"
        said = self.log.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
             f"--port={self.port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.folder}",
             "--LabApp.expose_app_in_browser=True"],
            env={**env, **folders, "JUPYTER_TOKEN": self.token, "RUNPODKIT_HOME": str(work / "home")},
            stdout=said, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        said.close()  # the child has its own

    def ask(self, path: str, method: str = "GET") -> None:
        headers = {"Authorization": f"token {self.token}"}
        urllib.request.urlopen(
            urllib.request.Request(self.url + path, method=method, headers=headers), timeout=30
        ).close()

    def wait(self) -> None:
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()
            try:
                return self.ask("/api/status")
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        raise AssertionError(f"JupyterLab did not answer: {self.log.read_text()}")


def _lab_settings(work: Path) -> dict[Path, dict[str, Any]]:
    """No news over the page, no hint on kernels without encryption."""
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    user = work / "jupyterlab_settings_dir/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    return {
        user: quiet,
        # cells out of sight are in the page as well, so that they can be looked for
        work / "jupyterlab_settings_dir/@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {
            "windowingMode": "none"
        },
        work / "jupyter_config_dir/jupyter_config.json": {"KernelManager": {"transport": "ipc"}},
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if not CHROMIUM:
        pytest.skip("no Chromium on the PATH: browser tests did not run (apt-get install chromium)")
    work = tmp_path_factory.mktemp("lab")
    lab = Lab(work)
    try:
        lab.wait()
        yield lab
    finally:
        if lab.process.poll() is None:
            lab.ask("/api/shutdown", "POST")  # ends the kernels too
            with contextlib.suppress(subprocess.TimeoutExpired):
                lab.process.wait(20)
            lab.process.kill()  # now and then it stays, with its kernels ended, and would fail a test of another file
            lab.process.wait()
        stack.down(Settings.load(work, RUNPODKIT_HOME=work / "home"))


@pytest.fixture(scope="module")
def open_notebook(lab: Lab) -> Iterator[Callable[[str], Page]]:
    """Opens a notebook of the lab's folder, its kernel ready; fails the test on errors in the browser's console."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

        def opened(name: str) -> Page:
            page = browser.new_page(viewport={"width": 1480, "height": 1000})
            page.errors = []  # type: ignore[attr-defined]
            page.on("console", lambda said: page.errors.append(said.text) if said.type == "error" else None)  # type: ignore[attr-defined]
            page.on("pageerror", lambda error: page.errors.append(str(error)))  # type: ignore[attr-defined]
            page.goto(f"{lab.url}/lab/tree/{name}?token={lab.token}&reset")
            page.wait_for_selector(".jp-NotebookPanel:visible .jp-Notebook", timeout=60_000)
            # "idle" alone is said before there is a session: Run All would then ask for a kernel
            page.evaluate(
                """async () => { const app = window.jupyterapp; await app.restored;
                   const panel = app.shell.currentWidget; await panel.context.ready;
                   await panel.sessionContext.ready; await panel.sessionContext.session.kernel.info; }"""
            )
            page.keyboard.press("Control+b")  # folds the file browser away
            return page

        yield opened
        browser.close()
