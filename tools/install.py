"""Makes `.venv`, the environment of the course, or brings it up to date; where nothing is to do it takes no time.

    python -m tools.install lab         an extra of pyproject.toml: lab, test or bench

A stamp in it says which folder, files and extra it was made from. An environment that was moved, lost its Python or
its pip, or whose making was killed before pip was there, is made anew; one that lacks packages gets them. Needs nothing
but Python, an old one too, so that it can say that it is too old.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from tools import system
from tools.system import Missing

ROOT = pathlib.Path(__file__).resolve().parents[1]
EXTRAS = ("lab", "test", "bench")  # each holds the one before it
DESCRIBED_BY = ("pyproject.toml", "constraints.txt")
SETTINGS = {
    # JupyterLab asks nobody for news and newer versions.
    "share/jupyter/lab/settings/overrides.json": json.dumps(
        {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}),
    # JupyterLab writes what the kernel says of its language into a notebook that it opens, and marks the notebook as
    # unsaved where that is news to it: so every Python says the same, what the course's notebooks say.
    "etc/ipython/ipython_kernel_config.py": """\
from ipykernel.ipkernel import IPythonKernel

IPythonKernel.language_info["version"] = "3"
""",
}
PIP = "pip>=23.2"  # the 23.0 of Debian 12 tries versions without end
GB_CPU, GB_CUDA = 2, 6  # measured: the environment of `make test` on Linux, by the build of PyTorch
SIZE = """\
Installing the course and its {extra} tools into .venv. This takes some minutes the first time, and about {cpu} GB of
disk; on Linux {cuda} GB, unless pip is told where to find PyTorch's smaller build for the processor alone, which is all
that the course needs (README, "Start")."""


class Environment:
    """The environment of the course in the folder `root`."""

    def __init__(self, root):
        self.root, self.folder = root, root / ".venv"
        self.python = self.folder / "bin" / "python"
        self.stamp = self.folder / "installed.json"

    def digest(self):
        """Of what the environment is made from."""
        described = [(self.root / name).read_bytes() for name in DESCRIBED_BY]
        return hashlib.sha256(b"\0".join(described + [repr(sorted(SETTINGS.items())).encode()])).hexdigest()

    def stamped(self):
        """What was installed here, as far as anybody wrote it down."""
        try:
            found = json.loads(self.stamp.read_text(encoding="utf-8"))
            return found if isinstance(found, dict) else {}
        except (OSError, ValueError):
            return {}

    def has(self, extra):
        """Is all of `extra` here, of this folder and these files?"""
        stamp = self.stamped()
        return self.works() and stamp.get("digest") == self.digest() and stamp.get("extra") in _from(extra)

    def works(self):
        """It has a Python that runs and finds its pip, and nobody carried it here from another folder."""
        if self.stamped().get("folder", str(self.root)) != str(self.root) or not os.access(str(self.python), os.X_OK):
            return False
        return not subprocess.run([str(self.python), "-c", "import pip"], stderr=subprocess.DEVNULL).returncode

    def ensure(self, extra):
        if self.has(extra):
            return
        if not (os.access(str(self.root), os.W_OK) and (not self.folder.exists()
                                                         or os.access(str(self.folder), os.W_OK))):
            raise Missing("The folder {} cannot be written to, and the environment in it is missing or out of date: "
                          "copy the course to a folder of your own.".format(self.root))
        with self.locked():
            if self.has(extra):  # another make has just done it
                return
            fresh = not self.works()
            if fresh:
                self.make()
            self.install(extra, fresh=fresh)

    @contextlib.contextmanager
    def locked(self):
        """One installation at a time. The lock is on the course's folder, so it leaves no file and dies with us."""
        import fcntl

        handle = os.open(str(self.root), os.O_RDONLY)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                print("Another make is installing into .venv; waiting for it ...", flush=True)
                fcntl.flock(handle, fcntl.LOCK_EX)
            except OSError:  # a file system without locks
                pass
            os.set_inheritable(handle, True)  # whatever pip still does when this process is killed keeps the lock
            yield
        finally:
            os.close(handle)

    def run(self, *command, **options):
        """-> did it succeed?"""
        return subprocess.run([str(part) for part in command], cwd=str(self.root), close_fds=False,
                              **options).returncode == 0

    def make(self):
        wanted = _python_wanted(self.root)
        if sys.version_info < wanted:
            raise Missing("Python {} or newer is needed, and this is {}: name a newer one, say PY=python3.12, behind "
                          "`make`.".format(".".join(map(str, wanted)), ".".join(map(str, sys.version_info[:2]))))
        system.need_venv()
        print("Making the environment .venv with Python {} ...".format(sys.version.split()[0]), flush=True)
        if not self.run(sys.executable, "-m", "venv", "--clear", self.folder):
            raise Missing("Python could not make the environment .venv; what it said stands above.")

    def install(self, extra, *, fresh):
        before = self.stamped().get("extra")
        extra = before if before in _from(extra) else extra
        with contextlib.suppress(FileNotFoundError):
            self.stamp.unlink()  # what is killed half-way has no stamp
        quiet = [self.python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        pip = quiet + ["-c", "constraints.txt", "-e", ".[{}]".format(extra)]
        # Where all packages are there and only a file has changed, no network is needed.
        here = not fresh and self.run(*(pip + ["--no-index", "--no-build-isolation"]), stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL)
        if not here:
            print(SIZE.format(extra=extra, cpu=GB_CPU, cuda=GB_CUDA), flush=True)
            free = shutil.disk_usage(str(self.root)).free / 1e9
            if free < GB_CUDA:
                print("Only {:.1f} GB of the disk are free.".format(free), flush=True)
            if not (self.run(*(quiet + [PIP])) and self.run(*pip)):
                raise Missing("pip could not install everything; what it said stands above. With a network and room "
                              "on the disk, run make again: it goes on from here.")
        for name, text in SETTINGS.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        unfinished = self.stamp.with_suffix(".new")
        unfinished.write_text(json.dumps({"folder": str(self.root), "digest": self.digest(), "extra": extra}),
                              encoding="utf-8")
        os.replace(str(unfinished), str(self.stamp))


def _from(extra):
    """The extras that hold this one."""
    return EXTRAS[EXTRAS.index(extra):]


def _python_wanted(root):
    """pyproject.toml's requires-python, read without tomllib, which an old Python has not."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    return tuple(map(int, re.search(r'^requires-python = ">=(\d+)\.(\d+)"$', text, re.MULTILINE).groups()))


def main(arguments):
    if len(arguments) != 1 or arguments[0] not in EXTRAS:
        print("usage: python -m tools.install {}".format("|".join(EXTRAS)), file=sys.stderr)
        return 2
    try:
        Environment(ROOT).ensure(arguments[0])
    except Missing as missing:
        print("\n{}".format(missing), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
