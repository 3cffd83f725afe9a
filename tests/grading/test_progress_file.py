"""Progress survives: kernels, damaged files, places that cannot be written. And it is not written uninvited."""

import json
import os
import subprocess
import sys

import pytest

from videoformer_edu.grading import progress_file as file
from videoformer_edu.sheets import progress, sheet

RIGHT = sheet("04").exercise(1).spec.right


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """A kernel that has checked nothing, started by no notebook."""
    monkeypatch.setattr(file, "session", {})
    for name in (file.VARIABLE, "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def path(tmp_path, monkeypatch):
    path = tmp_path / "new folder" / "progress.json"
    monkeypatch.setenv(file.VARIABLE, str(path))
    return path


def check_first(right=True):
    return sheet("04").exercise(1).check(*(RIGHT.values() if right else [RIGHT["to_tubes"], lambda tubes, b: tubes]))


def test_progress_outlives_the_kernel(path, monkeypatch):
    check_first()
    monkeypatch.setattr(file, "session", {})
    for again in (progress("04"), progress()):
        assert again.points == 15 and again.note.startswith("Nothing was checked in this session yet")
    table = progress("04", saved=True)
    assert table.rows[0][:4] == ("04.1", "Frames to tubes and back", "right", 1)
    assert (table.points, table.out_of, table.percent) == (15, 100, 15)
    assert "1 of 4 exercises right, 15 of 100 points (15 %)" in repr(table)
    assert not list(path.parent.glob("*.partial"))


def test_the_best_is_kept_and_every_try_counted(path):
    check_first()
    check_first(right=False)
    entry = json.loads(path.read_text())["exercises"]["04.1"]
    assert (entry["outcome"], entry["points"], entry["tried"], entry["last"]) == ("right", 15, 2, "wrong")


def test_a_session_that_has_begun_shows_itself(path, monkeypatch):
    check_first()
    monkeypatch.setattr(file, "session", {})
    check_first(right=False)
    assert progress("04").points < 15 == progress("04", saved=True).points


RECORD = """
import sys
from videoformer_edu.grading import progress_file
from videoformer_edu.grading.report import RIGHT, Report
print("ready", flush=True)
sys.stdin.readline()
for i in range(40):
    progress_file.record(Report(f"{sys.argv[1]}.{i}", "", RIGHT, (), "", 1, 1))
"""


@pytest.mark.slow
def test_two_kernels_at_once_lose_nothing(path):
    kernels = [subprocess.Popen([sys.executable, "-c", RECORD, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                text=True) for name in ("a", "b")]
    for kernel in kernels:
        assert kernel.stdout.readline() == "ready\n"
    for kernel in kernels:
        kernel.stdin.write("go\n")
        kernel.stdin.flush()
    for kernel in kernels:
        kernel.communicate(timeout=60)
    kept = json.loads(path.read_text())["exercises"]
    assert set(kept) == {f"{name}.{i}" for name in "ab" for i in range(40)}
    assert [one.name for one in path.parent.iterdir()] == ["progress.json"]


def test_a_lock_left_behind_is_taken_over(path, monkeypatch):
    monkeypatch.setattr(file, "PATIENCE", 0.05)
    path.parent.mkdir()
    path.with_suffix(".lock").touch()
    check_first()
    assert progress("04", saved=True).points == 15
    assert not path.with_suffix(".lock").exists()


def test_an_untouched_stub_is_no_try(path):
    sheet("04").exercise(1).check(lambda x, t: ..., lambda tubes, b: ...)
    assert json.loads(path.read_text())["exercises"]["04.1"]["tried"] == 0


@pytest.mark.parametrize("damage", [b"", b"{", b"[1, 2]", b'{"exercises": 3}', b"\xff\xfe\x00", b"[" * 100_000])
def test_a_damaged_file_is_set_aside_and_nothing_of_it_lost(path, damage):
    path.parent.mkdir()
    path.write_bytes(damage)
    (path.parent / "progress.damaged-1.json").write_text("an older accident")
    check_first()
    assert (path.parent / "progress.damaged-2.json").read_bytes() == damage
    assert (path.parent / "progress.damaged-1.json").read_text() == "an older accident"
    assert progress("04", saved=True).points == 15


@pytest.mark.parametrize("entry", [None, 7, {"outcome": "brilliant", "points": "all", "tried": -1.5},
                                   {"outcome": "right", "points": 1e9, "tried": 2},
                                   {"points": float("nan")}, {"outcome": ["right"], "points": -3}])
def test_odd_entries_do_no_harm(path, entry):
    path.parent.mkdir()
    path.write_text(json.dumps({"exercises": {"04.1": entry, "99.9": {"future": "\ud800"}}}))
    assert 0 <= progress("04", saved=True).points <= 15
    check_first()
    content = json.loads(path.read_text())["exercises"]
    assert content["99.9"] == {"future": "\ud800"}
    assert content["04.1"]["outcome"] == "right"
    assert progress("04", saved=True).points == 15


def test_what_a_later_version_added_stays(path):
    path.parent.mkdir()
    path.write_text(json.dumps({"exercises": {"04.1": {"note": "from the future", "points": 3}}}))
    check_first()
    assert json.loads(path.read_text())["exercises"]["04.1"]["note"] == "from the future"


def test_a_place_that_cannot_be_written_stops_nobody(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv(file.VARIABLE, str(tmp_path / "file" / "progress.json"))
    assert check_first().outcome == "right"
    assert progress("04").points == 15
    assert progress("04", saved=True).points == 0
    assert (tmp_path / "file").read_text() == "in the way"


def test_a_file_that_cannot_be_read_is_not_written_over(path, monkeypatch):
    check_first(right=False)
    before = path.read_bytes()

    def unreadable(*_, **__):
        raise PermissionError("not yours")

    with monkeypatch.context() as patch:
        patch.setattr(type(path), "read_text", unreadable)
        assert check_first().outcome == "right"
    assert path.read_bytes() == before


def test_a_damaged_file_that_cannot_be_moved_is_not_written_over(path, monkeypatch):
    path.parent.mkdir()
    path.write_text("{")

    def stuck(*_):
        raise OSError("read-only")

    monkeypatch.setattr(type(path), "rename", stuck)
    assert check_first().outcome == "right"
    assert path.read_text() == "{"


def test_a_user_without_a_home_keeps_nothing(monkeypatch):
    monkeypatch.setenv(file.VARIABLE, "~nobody-of-this-name/progress.json")
    assert file.place() is None
    assert check_first().outcome == "right"


def test_an_interrupted_write_leaves_the_old_file(path, monkeypatch):
    check_first(right=False)
    before = path.read_text()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", full)
    check_first()
    assert path.read_text() == before
    assert [file.name for file in path.parent.iterdir()] == ["progress.json"]


def test_nothing_is_written_where_nobody_works(monkeypatch):
    assert file.place() is None
    monkeypatch.setenv(file.VARIABLE, "")
    monkeypatch.setenv("JPY_SESSION_NAME", "exercises/04_timesformer_sheet.ipynb")
    assert file.place() is None


def test_a_persons_notebook_is_kept_but_not_the_solved_sheet(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("JPY_SESSION_NAME", "my solutions/solutions/course/exercises/04_timesformer_sheet.ipynb")
    assert file.place() == tmp_path / "videoformer_edu" / "progress.json"
    monkeypatch.setenv("JPY_SESSION_NAME", "course/solutions/04_timesformer_sheet.ipynb")
    assert file.place() is None


@pytest.mark.parametrize(("platform", "variables", "ending"), [
    ("win32", {"LOCALAPPDATA": "/data"}, ("data",)),
    ("darwin", {}, ("Library", "Application Support")),
    ("linux", {"XDG_DATA_HOME": ""}, (".local", "share")),
])
def test_each_platform_has_its_folder(monkeypatch, platform, variables, ending):
    monkeypatch.setattr(sys, "platform", platform)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert file.data_folder().parts[-len(ending):] == ending


def test_the_session_alone_makes_the_table_of_a_sheet():
    check_first()
    table = progress()
    assert [row[0] for row in table.rows] == ["04.1", "04.2", "04.3", "04.4"]
    assert table.note == "This session. All sessions: progress(saved=True)."
    assert "<th scope" in table._repr_html_() and "not attempted" in table._repr_html_()
    assert progress("04", saved=True).note == "Nothing is kept between sessions here."
    assert progress("04").percent == 15
