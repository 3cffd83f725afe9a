"""Opens JupyterLab at the first lesson and says where it is, also as root and where there is no display.

    python -m videoformer_edu.lab [OPTIONS OF JUPYTERLAB]
"""

import os
import sys
import threading
import time
import urllib.error
import urllib.request

FIRST = "lab/tree/notebooks/00_start_here.ipynb"


def options(given: list[str], *, root: bool, display: bool) -> list[str]:
    """The options of JupyterLab: ours, where the user's do not say otherwise, then the user's."""
    ours = [f"--LabApp.default_url=/{FIRST}",
            "--LanguageServerManager.autodetect=False"]  # of no use here, and it speaks up late, below the address
    if not any(option.startswith(("--ip", "--ServerApp.ip")) for option in given):
        ours.append("--ServerApp.ip=127.0.0.1")  # nobody else's machine gets in
    if root and "--allow-root" not in given:
        ours.append("--allow-root")
    if not display and "--no-browser" not in given:
        ours.append("--no-browser")
    return ours + given


def has_display() -> bool:
    """Would a browser that is started here be seen?"""
    if "SSH_CONNECTION" in os.environ and "DISPLAY" not in os.environ:
        return False
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def address(server: dict) -> str:
    """What to open, of a running server as Jupyter describes it; without a token where a password was set."""
    token = server.get("token")
    return server["url"] + FIRST + (f"?token={token}" if token else "")


def say_where(wait: float = 120.0) -> None:
    """Print the address once the server of this process answers: below whatever it says while it starts."""
    from jupyter_server.serverapp import list_running_servers

    begun = time.monotonic()
    while (taken := time.monotonic() - begun) < wait:
        server = next((one for one in list_running_servers() if one["pid"] == os.getpid()), None)
        if server is not None and _answers(server["url"]):
            time.sleep(max(1.0, taken))  # extensions have more to say, and a busy machine takes longer over that, too
            print(f"\nThe course is open at (Ctrl-C ends it):\n{address(server)}", flush=True)
            return
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}api", timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False


def main(given: list[str]) -> None:
    from jupyterlab.labapp import main as jupyterlab

    threading.Thread(target=say_where, daemon=True).start()
    jupyterlab(options(given, root=hasattr(os, "geteuid") and os.geteuid() == 0, display=has_display()))


if __name__ == "__main__":
    main(sys.argv[1:])
