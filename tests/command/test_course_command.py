"""`videoformer-edu`: in a checkout, and installed from a wheel into an environment that knows no repository."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from videoformer_edu import cli as command
from videoformer_edu.course_files import copy_course, course_folder
from videoformer_edu.grading.progress_file import VARIABLE

ROOT = Path(__file__).parents[2]


def names(folder: str) -> list[str]:
    return sorted(path.name for path in (ROOT / folder).iterdir() if path.suffix in (".ipynb", ".md"))


def test_it_tells_what_it_can(capsys):
    assert command.main([]) == command.main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"  {name} " in said for name in ("check", "lab", "copy", "look", "train", "grade", "progress"))
    assert command.main(["lok"]) == 2
    assert "error: there is no command 'lok'" in capsys.readouterr().err
    for name in command.RUN:
        with pytest.raises(SystemExit) as ended:
            command.main([name, "--help"])
        assert ended.value.code == 0 and "usage" in capsys.readouterr().out


def test_a_copy_never_overwrites_and_holds_no_solutions_unless_asked(tmp_path, capsys):
    mine = tmp_path / "exercises" / names("exercises")[0]
    mine.parent.mkdir()
    mine.write_text("my work")
    assert command.main(["copy", str(tmp_path)]) == 0
    total = len(names("notebooks")) + len(names("exercises"))
    assert f"{total - 1} files copied to {tmp_path}; 1 were there already and stay" in capsys.readouterr().out
    assert mine.read_text() == "my work" and not (tmp_path / "solutions").exists()
    assert sorted(path.name for path in (tmp_path / "notebooks").iterdir()) == names("notebooks")
    assert command.main(["copy", str(tmp_path), "--solutions"]) == 0
    assert sorted(path.name for path in (tmp_path / "solutions").iterdir()) == names("solutions")
    assert copy_course(tmp_path) == ([], [*(f"notebooks/{name}" for name in names("notebooks")),
                                          *(f"exercises/{name}" for name in names("exercises"))])
    for wrong in ([], ["a", "b"], ["a", "--all"]):
        assert command.main(["copy", *wrong]) == 2
    (tmp_path / "file").write_text("")
    assert command.main(["copy", str(tmp_path / "file")]) == 1


def test_check_says_what_it_found_in_lines(capsys):
    status = command.main(["check"])
    said = capsys.readouterr().out
    assert re.search(r"^(ok|do this) +PyTorch: torch \d", said, re.M) and status == int("want something done" in said)


def test_progress_is_that_of_the_notebooks(tmp_path, monkeypatch, capsys):
    path = tmp_path / "progress.json"
    monkeypatch.setenv(VARIABLE, str(path))
    assert command.main(["progress"]) == 0
    said = capsys.readouterr().out
    assert "0 of " in said and "The best of all sessions." in said


def test_look_is_the_same_command(tmp_path, capsys):
    assert command.main(["look", str(tmp_path / "nothing.mp4")]) == 1
    assert "does not exist" in capsys.readouterr().err


@pytest.mark.slow
def test_installed_from_a_wheel_it_brings_the_course_along(tmp_path):
    """From a source archive a wheel, from the wheel an installation, in a folder with nothing else of the course: all
    of the package's data, the notebooks, and no maintainer's room."""
    copy = tmp_path / "copy"
    ignored = shutil.ignore_patterns("__pycache__", "out", "*.new.ipynb", "*.egg-info")
    for name in ("videoformer_edu", "notebooks", "exercises", "solutions", "experiments", "tools", "bench", "tests"):
        shutil.copytree(ROOT / name, copy / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in", "constraints.txt", "environment.yml",
                 "Makefile"):
        shutil.copy(ROOT / name, copy / name)
    build = "import setuptools.build_meta as b; print(b.build_sdist('..'))"
    made = subprocess.run([sys.executable, "-c", build], cwd=copy, check=True, capture_output=True, text=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    assert archive.name == made.stdout.strip().splitlines()[-1]
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", tmp_path, archive],
                   check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    assert {name.partition("/")[0].partition("-")[0] for name in inside} == {"videoformer_edu"}
    assert not [name for name in inside if name.endswith(".py") and not name.startswith("videoformer_edu/")]
    shipped = {path.relative_to(ROOT).as_posix() for path in (ROOT / "videoformer_edu").rglob("*")
               if path.is_file() and "__pycache__" not in path.parts}
    assert shipped - inside == set()
    place = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", place], check=True)
    python = place / ("Scripts" if os.name == "nt" else "bin") / "python"
    beside = os.pathsep.join(path for path in sys.path if path and not Path(path).resolve().is_relative_to(ROOT)
                             or "site-packages" in path)
    subprocess.run([*pip, "--python", python, "install", "--no-deps", "--no-index", wheel], check=True,
                   capture_output=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words):
        program = ("import sys; own = [p for p in sys.path if 'environment' in p]; sys.path[:] = own + "
                   f"{beside.split(os.pathsep)!r}; sys.path = [p for p in sys.path if p]; "
                   "from videoformer_edu import cli as command; import videoformer_edu; "
                   "assert 'environment' in videoformer_edu.__file__, videoformer_edu.__file__; "
                   "sys.exit(command.main(sys.argv[1:]))")
        return subprocess.run([python, "-c", program, *words], cwd=empty, env=environment, check=True,
                              capture_output=True, text=True).stdout

    assert f"{len(names('notebooks')) + len(names('exercises'))} files copied to mine" in run("copy", "mine")
    lesson = json.loads((empty / "mine" / "notebooks" / names("notebooks")[0]).read_text(encoding="utf-8"))
    assert lesson["cells"] and (empty / "mine" / "exercises" / "AGENTS.md").exists()
    assert "where it looked: look.html" in run("look", str(ROOT / "videoformer_edu/data/assets/hand_with_cup.mp4"),
                                               "--model", "timesformer_motion_divided")
    assert (empty / "look.html").stat().st_size > 100_000


def test_the_course_of_a_checkout_is_the_checkout():
    assert course_folder() == ROOT
