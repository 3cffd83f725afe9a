"""Making the environment, with a stand-in for it: a small Python script that takes the place of .venv/bin/python."""

import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from tools import install, system
from tools.install import Environment, Missing

ROOT = Path(__file__).parents[2]
PYPROJECT = '[project]\nrequires-python = ">=3.11"\n'
# It writes down what it is asked, and installs where the file `network` says that there is one.
STAND_IN = """\
import pathlib, sys
root = pathlib.Path({root!r})
with open(root / "calls", "a") as calls:
    print(*sys.argv[1:], file=calls)
if sys.argv[1:3] == ["-c", "import pip"]:
    sys.exit(not (root / ".venv/pip").exists())
sys.exit(not ((root / "all_here").exists() or "--no-index" not in sys.argv and (root / "network").exists()))
"""


def put_python(root: Path) -> None:
    binaries = root / ".venv" / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    (binaries / "stand_in.py").write_text(STAND_IN.format(root=str(root)), encoding="utf-8")
    (binaries / "python").write_text(f"#!/bin/sh\nexec '{sys.executable}' '{binaries}/stand_in.py' \"$@\"\n")
    (binaries / "python").chmod(0o755)
    (root / ".venv" / "pip").touch()


class Fake(Environment):
    def make(self):
        if self.folder.exists():
            for path in sorted(self.folder.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
        put_python(self.root)
        with open(self.root / "calls", "a") as calls:
            print("made anew", file=calls)


@pytest.fixture
def course(tmp_path):
    """A course in a folder with a space and an umlaut, whose environment does not exist yet."""
    root = tmp_path / "mein Übungsordner"
    root.mkdir()
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "constraints.txt").write_text("")
    (root / "network").touch()
    return Fake(root)


def calls(environment: Environment) -> list[str]:
    """What was asked since the last time, without the look for pip; a new enough pip is always asked for first."""
    path = environment.root / "calls"
    lines = path.read_text().splitlines() if path.exists() else []
    path.write_text("")
    lines = [line for line in lines if line != "-c import pip"]
    for number, line in enumerate(lines):
        if "constraints" in line and "--no-index" not in line:
            assert lines[number - 1] == f"-m pip install -q --disable-pip-version-check {install.PIP}"
    return [line for line in lines if not line.endswith(install.PIP)]


def with_network(extra: str) -> str:
    return f"-m pip install -q --disable-pip-version-check -c constraints.txt -e .[{extra}]"


def without_network(extra: str) -> str:
    return with_network(extra) + " --no-index --no-build-isolation"


def test_the_first_time_it_is_made_and_after_that_nothing_is_done(course, capsys):
    course.ensure("lab")
    assert calls(course) == ["made anew", with_network("lab")]
    assert "2 GB" in capsys.readouterr().out
    course.ensure("lab")
    assert calls(course) == [] and capsys.readouterr().out == ""


def test_an_extra_holds_those_before_it(course):
    for extra in ("lab", "test", "lab"):
        course.ensure(extra)
    assert calls(course) == ["made anew", with_network("lab"), without_network("test"), with_network("test")]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for held, extra in zip(install.EXTRAS, install.EXTRAS[1:], strict=False):
        (own,) = (line for line in extras[extra] if line.startswith("videoformer_edu["))
        assert held in own[len("videoformer_edu["):-1].split(",")


def test_an_update_for_the_lab_keeps_the_tools_of_the_tests(course):
    course.ensure("test")
    calls(course)
    (course.root / "constraints.txt").write_text("# newer")
    course.ensure("lab")
    assert calls(course) == [without_network("test"), with_network("test")]


def test_a_touched_file_changes_nothing_and_a_changed_one_needs_no_network_where_all_is_there(course):
    course.ensure("test")
    calls(course)
    os.utime(course.root / "pyproject.toml", (0, 2e9))
    course.ensure("test")
    assert calls(course) == []
    (course.root / "network").unlink()
    (course.root / "all_here").touch()
    (course.root / "pyproject.toml").write_text(PYPROJECT + "# more\n")
    course.ensure("test")
    assert calls(course) == [without_network("test")]
    assert course.has("test")


def test_without_network_it_says_so_and_goes_on_later(course):
    (course.root / "network").unlink()
    with pytest.raises(Missing, match="pip could not install everything.*run make again: it goes on from here"):
        course.ensure("lab")
    assert not course.has("lab")
    calls(course)
    (course.root / "network").touch()
    course.ensure("lab")
    assert calls(course) == [without_network("lab"), with_network("lab")], "what was there is kept"


def break_pip(root: Path) -> None:
    (root / ".venv" / "pip").unlink()


def break_python(root: Path) -> None:
    python = root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")


def killed_at_once(root: Path) -> None:
    (root / ".venv" / "installed.json").unlink()
    break_pip(root)


@pytest.mark.parametrize("spoil", [break_pip, break_python, killed_at_once])
def test_a_broken_environment_is_made_anew(course, spoil):
    course.ensure("lab")
    calls(course)
    spoil(course.root)
    course.ensure("lab")
    assert calls(course) == ["made anew", with_network("lab")]


@pytest.mark.parametrize("text", ["", "[]", '{"folder": '])
def test_a_broken_stamp_is_no_stamp(course, text):
    course.ensure("lab")
    calls(course)
    course.stamp.write_text(text)
    course.ensure("lab")
    assert calls(course) == [without_network("lab"), with_network("lab")]


def test_a_moved_course_is_made_anew(course):
    course.ensure("lab")
    moved = Fake(course.root.rename(course.root.parent / "elsewhere"))
    calls(moved)
    moved.ensure("lab")
    assert calls(moved) == ["made anew", with_network("lab")]
    assert moved.has("lab")


def test_a_folder_that_cannot_be_written_to_does_as_long_as_all_is_there(course, monkeypatch):
    course.ensure("lab")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))
    course.ensure("lab")
    with pytest.raises(Missing, match="cannot be written to.*copy the course to a folder of your own"):
        course.ensure("test")


def test_two_at_once_install_once(course):
    program = (f"import sys, time; sys.path[:0] = [{str(ROOT)!r}, {str(Path(__file__).parent)!r}]\n"
               f"from pathlib import Path; from test_install import Fake\n"
               f"class Slow(Fake):\n    def make(self): time.sleep(1); super().make()\n"
               f"Slow(Path({str(course.root)!r})).ensure('lab')")
    both = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert calls(course) == ["made anew", with_network("lab")]
    assert sum("Another make is installing" in text for text in said) == 1


def test_who_is_killed_lets_the_next_go_on(course):
    program = (f"import sys, time; sys.path.insert(0, {str(ROOT)!r}); from pathlib import Path\n"
               f"from tools.install import Environment\n"
               f"with Environment(Path({str(course.root)!r})).locked(): print('locked', flush=True); time.sleep(60)")
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    process.kill()
    process.communicate()
    begun = time.monotonic()
    course.ensure("lab")
    assert time.monotonic() - begun < 30 and course.has("lab")


def test_an_old_python_is_told_so(course, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(Missing, match=r"Python 3\.11 or newer is needed, and this is 3\.9: .*PY=python3"):
        Environment.make(course)


def test_python_without_its_venv_is_told_what_to_install(course, monkeypatch):
    monkeypatch.setattr(system.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(system.shutil, "which", lambda name: None)
    with pytest.raises(Missing, match="cannot make environments.*python3-venv"):
        Environment.make(course)


def test_only_known_extras(capsys):
    assert install.main(["labs"]) == 2
    assert "lab|test|bench" in capsys.readouterr().err
