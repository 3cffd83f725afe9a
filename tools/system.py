"""What the system has to bring and pip cannot: a browser for the browser tests, Python's own `venv`.

    python -m tools.system browser      install Chromium and fonts, where there is no Chromium

Needs nothing but Python, an old one too: this runs before there is an environment.
"""

import importlib.util
import os
import shutil
import subprocess
import sys

# What CHROMIUM says, else the first of these that is installed.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
            "/Applications/Chromium.app/Contents/MacOS/Chromium",
            "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
NO_BROWSER = ("The browser tests need Chromium or Chrome, and there is none that runs: install one, or set CHROMIUM to "
              "the path of one.")

# package manager: what brings its lists up to date, how it installs, the names of what we want (libatomic: the
# driver of the browser tests does not start without it, and the smallest systems lack it)
MANAGERS = {
    "apt-get": (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends"],
                {"browser": ["chromium", "fonts-dejavu", "fonts-noto-color-emoji", "libatomic1"],
                 "venv": ["python3.{}-venv".format(sys.version_info[1])]}),
    "dnf": (None, ["install", "-y"],
            {"browser": ["chromium", "dejavu-sans-fonts", "google-noto-color-emoji-fonts", "libatomic"]}),
    "brew": (None, ["install", "--cask"], {"browser": ["chromium"]}),
}


class Missing(Exception):
    """Something that a person has to do, in one sentence."""


def chromium():
    """The path of the browser of the browser tests, or None."""
    names = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else BROWSERS
    return next((path for path in map(shutil.which, names) if path and _runs(path)), None)


def _runs(path):
    """Some systems put a script in the browser's place that only says how to install it."""
    silent = dict(stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return subprocess.run([path, "--version"], timeout=60, **silent).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def need_browser():
    """Install Chromium and fonts unless a browser is there."""
    if chromium() is None:
        if not os.environ.get("CHROMIUM"):
            install("browser", NO_BROWSER)
        if chromium() is None:
            raise Missing(NO_BROWSER)


def need_venv():
    """Debian and Ubuntu keep a part of Python's `venv` in a package of its own."""
    if importlib.util.find_spec("ensurepip") is None:
        install("venv", "This Python ({}) cannot make environments, it lacks its own `ensurepip`: install the package "
                        "python3-venv of the system, or name another Python with PY=.".format(sys.executable))


def install(what, otherwise):
    """Bring `what` through the system's package manager; raises Missing(otherwise) where that is not to be had."""
    manager = next((name for name in MANAGERS if shutil.which(name) and what in MANAGERS[name][2]), None)
    if manager is None:
        raise Missing(otherwise)
    update, command, packages = MANAGERS[manager]
    become = [] if manager == "brew" else _as_root()
    if become is None:
        raise Missing(otherwise + " (You may not install packages here; somebody who may can run: {} {} {})".format(
            manager, " ".join(command), " ".join(packages[what])))
    print("Installing {} with {} ...".format(" ".join(packages[what]), manager), flush=True)
    if manager == "apt-get":
        become = become + ["env", "DEBIAN_FRONTEND=noninteractive"]
    for arguments in (update, command + packages[what]):
        if arguments and subprocess.run(become + [manager] + arguments).returncode:
            raise Missing("{} did not install {}; what it said stands above. {}".format(
                manager, " ".join(packages[what]), otherwise))


def _as_root():
    """What to put before a command that root has to run: nothing, sudo, or None where neither will do."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        return None
    if sys.stdin is not None and sys.stdin.isatty():
        return ["sudo"]
    asks = subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    return None if asks else ["sudo", "-n"]


def main(arguments):
    if arguments != ["browser"]:
        print("usage: python -m tools.system browser", file=sys.stderr)
        return 2
    try:
        need_browser()
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
