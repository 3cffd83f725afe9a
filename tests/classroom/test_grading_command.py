"""The command: exit codes, what it refuses, and a run that was cut off."""

import json
import os
import subprocess
import zipfile

import pytest
from in_process import grade_in_process
from made_up_class import small_class

from videoformer_edu.classroom import atomic, grade_class, records, run
from videoformer_edu.classroom.grade_class import GRADED, INFRASTRUCTURE, USAGE, main
from videoformer_edu.classroom.journal import Journal, Mixed, version_of
from videoformer_edu.classroom.records import Grader
from videoformer_edu.sheets import load


def test_help_and_usage(tmp_path, capsys, handed_in):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0 and "--resume" in capsys.readouterr().out
    empty = tmp_path / "empty"
    empty.mkdir()
    for arguments, words in (([], "Name what was handed in"), ([str(empty)], "no notebook"),
                             ([str(tmp_path / "gone")], "does not exist"),
                             ([str(handed_in), "--sheet", "77"], "There is no sheet '77'"),
                             ([str(handed_in), "--as", "moodle"], "--worksheet"),
                             ([str(handed_in), "--worksheet", "x.csv"], "--worksheet"),
                             ([str(handed_in), "--workers", "0"], "greater than 0"),
                             ([str(handed_in), "--seed-file", str(handed_in / "seed")], "lies among the submissions"),
                             ([str(handed_in), "--out", str(handed_in / "x.csv")], "lies among the submissions"),
                             ([str(handed_in), "--resume", "--out", str(tmp_path / "s.csv")], "no unfinished run"),
                             (["--gradescope-zip", str(tmp_path / "a.zip")], "name it with --sheet")):
        assert main(arguments) == USAGE
        assert words in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main([str(handed_in), "--as", "blackboard"])
    assert stop.value.code == USAGE
    assert os.listdir(tmp_path) == ["empty"]


def test_what_the_machine_cannot_do_is_no_usage(handed_in, tmp_path, quick, capsys, monkeypatch):
    monkeypatch.setattr(atomic, "write", lambda *given: (_ for _ in ()).throw(OSError(28, "disk full")))
    assert main([str(handed_in), "--out", str(tmp_path / "scores.csv")]) == INFRASTRUCTURE
    assert "disk full" in capsys.readouterr().err
    assert os.listdir(tmp_path) == ["scores.csv.unfinished"]
    monkeypatch.undo()
    assert main([str(handed_in), "--out", str(tmp_path / "scores.csv"), "--resume"]) == GRADED


def test_a_system_file_alone(handed_in, tmp_path, quick):
    one = next(handed_in.glob("First*/*.ipynb"))
    assert main([str(one), "--as", "gradescope", "--out", str(tmp_path / "results" / "results.json")]) == GRADED
    assert json.loads((tmp_path / "results" / "results.json").read_text())["score"] == 100
    assert os.listdir(tmp_path / "results") == ["results.json"]


def test_a_worksheet_beside_the_scores(handed_in, tmp_path, quick, capsys):
    worksheet = tmp_path / "grades.csv"
    worksheet.write_text("Identifier,Full name,Grade,Maximum Grade\nParticipant 101,A,,100\nParticipant 102,B,,100\n")
    assert main([str(handed_in), "--as", "moodle", "--worksheet", str(worksheet), "--out",
                 str(tmp_path / "scores.csv")]) == GRADED
    assert (tmp_path / "grades_filled.csv").read_text().splitlines()[1:] == ["Participant 101,A,100.00,100",
                                                                             "Participant 102,B,25.00,100"]
    assert "2 grades filled in." in capsys.readouterr().out


def begun(tmp_path, handed_in, monkeypatch, after=2) -> list[str]:
    """A run that is stopped after some records; the arguments of the command."""
    arguments = [str(handed_in), "--out", str(tmp_path / "scores.csv"), "--workers", "1"]
    add, count = Journal.add, []

    def stop(self, record):
        add(self, record)
        count.append(1)
        if len(count) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", stop)
        assert main(arguments) == INFRASTRUCTURE
    return arguments


def test_resume_goes_on_and_gives_the_same(handed_in, tmp_path, quick, monkeypatch, capsys):
    arguments = begun(tmp_path, handed_in, monkeypatch)
    journal = tmp_path / "scores.csv.unfinished"
    assert journal.stat().st_mode & 0o777 == 0o600
    with open(journal, "a") as file:
        file.write('{"student": "torn')  # the line that was being written
    seen, record = [], Grader.record
    monkeypatch.setattr(Grader, "record", lambda self, one: seen.append(one.origin) or record(self, one))
    assert main([*arguments, "--resume"]) == GRADED
    assert len(seen) == 4 and "2 of 6 were graded before." in capsys.readouterr().err
    assert not journal.exists()
    resumed = (tmp_path / "scores.csv").read_text()
    assert main(arguments) == GRADED
    plain = (tmp_path / "scores.csv").read_text()
    first, second = ([line.split(",")[:5] for line in text.splitlines()] for text in (resumed, plain))
    assert first == second


@pytest.mark.parametrize(("change", "words"), [
    ("seed", "another seed"), ("sheets", "another version of the sheets"), ("only", "another --sheet"),
    ("limits", "another --timeout"), ("new", "1 are new"), ("gone", "1 are gone"), ("changed", "1 have changed")])
def test_two_runs_are_never_mixed(change, words, tmp_path, quick, monkeypatch, capsys):
    folder = tmp_path / "handed in"
    for name, data in small_class().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    arguments = [*begun(tmp_path, folder, monkeypatch), "--resume"]
    before = (tmp_path / "scores.csv.unfinished").read_bytes()
    first = sorted(folder.rglob("*.ipynb"))[0]
    if change == "seed":
        (tmp_path / "seed").write_text("17\n")
        arguments += ["--seed-file", str(tmp_path / "seed")]
    elif change == "sheets":
        monkeypatch.setattr("videoformer_edu.classroom.journal.version_of", lambda sheets: "other")
    elif change == "only":
        arguments += ["--sheet", "03"]
    elif change == "limits":
        arguments += ["--timeout", "3"]
    elif change == "new":
        (folder / "new_03.ipynb").write_text("{}")
    elif change == "gone":
        first.unlink()
    else:
        first.write_bytes(first.read_bytes() + b" ")
    assert main(arguments) == USAGE
    assert words in capsys.readouterr().err
    assert not (tmp_path / "scores.csv").exists()
    assert (tmp_path / "scores.csv.unfinished").read_bytes() == before


def test_no_record_of_a_run_at_all(tmp_path):
    for content in (b"", b"[1]\n", b'{"x": 1}\n', b"\xff\n"):
        (tmp_path / "x.unfinished").write_bytes(content)
        with pytest.raises(Mixed, match="no record"):
            Journal(tmp_path / "x.unfinished").seed()


def test_the_seed_file_is_made_once_and_kept_secret(tmp_path):
    path = tmp_path / "secret" / "seed"
    seed = run.seed_from(path)
    assert run.seed_from(path) == seed >= 0 and path.stat().st_mode & 0o777 == 0o600
    path.write_text("twelve")
    with pytest.raises(ValueError, match="one whole number"):
        run.seed_from(path)


def test_a_sheet_that_changes_has_another_version():
    assert version_of({"03": load("03")}) != version_of({"04": load("04")})


def test_a_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "scores.csv"
    path.write_text("before")
    monkeypatch.setattr(os, "replace", lambda *given: (_ for _ in ()).throw(OSError(5, "no")))
    with pytest.raises(OSError, match="no"):
        atomic.write(path, "after")
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["scores.csv"]


def test_a_defect_of_the_grader_costs_one_submission(handed_in, tmp_path, quick, monkeypatch, capsys):
    def defect(submission, sheet, seed, pool):
        if "First" in submission.name:
            raise KeyError("a defect")
        return grade_in_process(submission, sheet, seed, pool)

    monkeypatch.setattr(records, "grade_submission", defect)
    assert main([str(handed_in), "--out", str(tmp_path / "scores.csv"), "--json", str(tmp_path / "r.json")]) == 3
    report = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    assert [one["student"] for one in report["submissions"] if one["state"] == "lost"] == ["First Learner"]
    assert sum(one["state"] == "graded" for one in report["submissions"]) == 4
    assert "1 submissions could not be graded" in capsys.readouterr().err
    assert "KeyError" in (tmp_path / "scores.html").read_text(encoding="utf-8")


def test_lost_by_the_machine_is_exit_3(handed_in, tmp_path, quick, monkeypatch):
    record = Grader.record
    monkeypatch.setattr(Grader, "record", lambda self, one: record(self, one) | {"state": "lost"})
    assert main([str(handed_in), "--out", str(tmp_path / "scores.csv")]) == INFRASTRUCTURE


def test_the_gradescope_zip(tmp_path, capsys):
    path = tmp_path / "autograder.zip"
    assert main(["--gradescope-zip", str(path), "--sheet", "03"]) == GRADED
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        scripts = {name: archive.read(name).decode() for name in ("setup.sh", "run_autograder")}
    assert {name for name in names if "/" not in name} == {"setup.sh", "run_autograder"}
    assert "videoformer_edu/grading/__main__.py" in names and "videoformer_edu/sheets/oracles.py" in names
    assert path.stat().st_size < 2_000_000 and modes["run_autograder"] & 0o111
    assert "/autograder/submission --sheet 03" in scripts["run_autograder"]
    assert "/autograder/results/results.json" in scripts["run_autograder"]
    for script in scripts.values():
        assert script.startswith("#!/usr/bin/env bash\n") and "seed" not in script
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    first = path.read_bytes()
    main(["--gradescope-zip", str(path), "--sheet", "03"])
    assert path.read_bytes() == first


def test_every_format_is_offered():
    offered = {*grade_class.systems.WRITERS, *grade_class.WORKSHEETS}
    assert offered == {"gradescope", "prairielearn", "classroom50", "moodle", "canvas", "junit", "lti"}
