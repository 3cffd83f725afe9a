"""`make lab`: on loopback, as root too, and the address to open is the last line."""

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from videoformer_edu.lab import FIRST, address, has_display, options

ROOT = Path(__file__).parents[2]
START = [f"--LabApp.default_url=/{FIRST}", "--LanguageServerManager.autodetect=False"]
LOOPBACK = "--ServerApp.ip=127.0.0.1"


@pytest.mark.parametrize(("given", "root", "display", "expected"), [
    ([], False, True, [*START, LOOPBACK]),
    ([], True, False, [*START, LOOPBACK, "--allow-root", "--no-browser"]),
    (["--no-browser", "--allow-root"], True, False, [*START, LOOPBACK, "--no-browser", "--allow-root"]),
    (["--ip=0.0.0.0", "--port", "9999"], False, True, [*START, "--ip=0.0.0.0", "--port", "9999"]),
])
def test_what_the_user_says_goes_before_what_we_say(given, root, display, expected):
    assert options(given, root=root, display=display) == expected


def test_the_address_opens_the_first_lesson():
    assert (ROOT / FIRST.removeprefix("lab/tree/")).exists()
    assert address({"url": "http://127.0.0.1:8889/", "token": "abc"}) == f"http://127.0.0.1:8889/{FIRST}?token=abc"
    assert address({"url": "http://127.0.0.1:8889/x/", "token": ""}) == f"http://127.0.0.1:8889/x/{FIRST}"


@pytest.mark.parametrize(("environment", "platform", "expected"), [
    ({}, "linux", False), ({"DISPLAY": ":0"}, "linux", True), ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
    ({}, "darwin", True), ({"SSH_CONNECTION": "1"}, "darwin", False),
    ({"SSH_CONNECTION": "1", "DISPLAY": ":10"}, "linux", True),
])
def test_where_a_browser_would_be_seen(monkeypatch, environment, platform, expected):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SSH_CONNECTION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert has_display() is expected


@pytest.mark.slow
def test_it_starts_without_a_display_and_ends_with_the_address(tmp_path):
    """As whoever runs the tests, root as well: the page comes with the token, and is refused without."""
    kept = {name: value for name, value in os.environ.items()
            if name not in ("DISPLAY", "WAYLAND_DISPLAY") and not name.startswith("JUPYTER")}
    fresh = {f"JUPYTER_{name}_DIR": str(tmp_path / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    lab = subprocess.Popen([sys.executable, "-m", "videoformer_edu.lab", "--port=0"], cwd=ROOT, text=True,
                           env=kept | fresh, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        line = next(line for line in lab.stdout if re.match(r"http://127\.0\.0\.1:\d+/lab/tree/", line)).strip()
        with urllib.request.urlopen(line, timeout=30) as page:
            assert b"jupyter-config-data" in page.read()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(line.partition("/lab/")[0] + "/api/contents", timeout=30)
        refused.value.close()
        assert refused.value.code == 403
    finally:
        lab.send_signal(signal.SIGTERM)
        after = lab.communicate(timeout=30)[0]
    assert "token=" in line and "Skipped" not in after, "nothing that it says while it starts comes after"
