"""A real JupyterLab on loopback, with nothing of its user's settings, on a copy of the course's notebooks."""

import json
import os
import pathlib
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).parents[2]
COPIED = ("notebooks", "exercises", "solutions")
START_SECONDS = 60


class Lab:
    """A running server: `url(file)` opens a notebook of `folder`."""

    def __init__(self, workplace: pathlib.Path):
        self.folder = workplace / "course"
        self.folder.mkdir()
        for name in COPIED:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
        self.token = secrets.token_hex(16)
        self.port = free_port()
        self.log = workplace / "jupyterlab.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command(), cwd=self.folder, env=environment(workplace), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )
        self._wait()

    def _command(self) -> list[str]:
        options = ["--no-browser", "--expose-app-in-browser", "--ServerApp.ip=127.0.0.1",
                   f"--ServerApp.port={self.port}", "--ServerApp.port_retries=0",
                   f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.folder}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--allow-root")
        return [sys.executable, "-m", "jupyterlab", *options]

    def _wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with self._request("api/status"):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.2)
        self.process.kill()
        raise RuntimeError(f"JupyterLab did not start; it said:\n{self.log.read_text(errors='replace')[-3000:]}")

    def _request(self, path: str, method: str = "GET"):
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", method=method, headers=headers)
        return urllib.request.urlopen(request, timeout=10)

    def url(self, file: str) -> str:
        return f"http://127.0.0.1:{self.port}/lab/tree/{file}?reset&token={self.token}"

    def stop(self) -> None:
        try:
            with self._request("api/shutdown", "POST"):
                pass
            self.process.wait(timeout=20)
        except (urllib.error.URLError, ConnectionError, TimeoutError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait(timeout=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(workplace: pathlib.Path) -> dict[str, str]:
    """The caller's environment, with fresh folders for everything that Jupyter remembers and no question to the web."""
    variables = {name: value for name, value in os.environ.items() if name not in ("JUPYTER_TOKEN", "MPLBACKEND")}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_SETTINGS_DIR",
                 "JUPYTERLAB_WORKSPACES_DIR", "IPYTHONDIR", "MPLCONFIGDIR"):
        folder = workplace / name.lower()
        folder.mkdir()
        variables[name] = str(folder)
    variables["PATH"] = os.pathsep.join([str(pathlib.Path(sys.executable).parent), variables.get("PATH", "")])
    variables["PYTHONPATH"] = str(ROOT)
    variables["OMP_NUM_THREADS"] = "1"
    variables["VIDEOFORMER_EDU_PROGRESS"] = ""  # keep nothing of what a test answers
    settings = workplace / "jupyterlab_settings_dir" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    no_news = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(no_news))
    return variables
