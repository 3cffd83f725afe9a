"""The gate itself: it must not pass over what failed, was skipped or was not there."""

import subprocess
import sys

import gate
import pytest

REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_one" time="0.25"/>
<testcase classname="notebooks.04_x.ipynb" name="Cell 3" time="1.5"/>
{more}
</testsuite></testsuites>"""


@pytest.fixture
def report(tmp_path):
    def write(more=""):
        path = tmp_path / "report.xml"
        path.write_text(REPORT.format(more=more))
        return gate.read(path)
    return write


def test_a_report_is_read_with_names_and_times(report):
    result = report()
    assert (result.passed, result.failed, result.complaints) == (2, 0, [])
    assert result.cases == [(0.25, "tests/test_a::test_one"), (1.5, "notebooks/04_x.ipynb::Cell 3")]


@pytest.mark.parametrize("kind", ["failure", "error"])
def test_a_failure_counts(report, capsys, kind):
    result = report(f'<testcase classname="tests.test_b" name="test_two" time="9"><{kind}/></testcase>')
    assert (result.passed, result.failed) == (2, 1)
    assert gate.summarise({"unit": result}) == 1
    assert capsys.readouterr().out.splitlines()[-1].startswith("2 passed, 1 failed in ")


def test_a_skipped_test_fails_the_gate(report, capsys):
    result = report('<testcase classname="tests.test_b" name="test_two" time="0"><skipped/></testcase>')
    assert gate.summarise({"unit": result}) == 1
    said = capsys.readouterr().out
    assert "skipped: tests/test_b::test_two" in said and "2 passed, 1 failed" in said


def test_all_well_is_zero_and_lists_the_slowest_first(report, capsys):
    assert gate.summarise({"unit": report()}) == 0
    said = capsys.readouterr().out
    assert said.index("1.5 s  notebooks/04_x.ipynb::Cell 3") < said.index("0.2 s  tests/test_a::test_one")
    files, tests = said.split("The 2 slowest tests:")
    assert files.index("The 2 slowest files:") < files.index("1.5 s  notebooks/04_x.ipynb\n")
    assert said.splitlines()[-1].startswith("2 passed, 0 failed")


@pytest.mark.parametrize(("command", "complaint"), [
    (["-c", "raise SystemExit(3)"], ["lint: ended with status 3"]),
    (["-c", ""], []),
])
def test_a_part_without_tests_fails_by_its_status(monkeypatch, command, complaint):
    monkeypatch.setitem(gate.PARTS, "lint", lambda: command)
    assert gate.run("lint").complaints == complaint


@pytest.mark.slow
def test_a_part_in_which_no_test_ran_fails(monkeypatch, tmp_path):
    monkeypatch.setattr(gate, "REPORTS", tmp_path)
    monkeypatch.setitem(gate.PARTS, "timing", lambda: [*gate.PYTEST, str(tmp_path)])
    assert gate.run("timing").complaints == ["timing: no test ran"]


def test_without_a_browser_nothing_runs(monkeypatch):
    monkeypatch.setattr(gate, "run", lambda *part: pytest.fail("it looked away"))
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    assert gate.main([]) == 1


def test_on_a_disk_without_write_access_it_says_so(monkeypatch, tmp_path, capsys):
    (tmp_path / "reports").write_text("a file is in the way")
    monkeypatch.setattr(gate, "REPORTS", tmp_path / "reports")
    assert gate.main(["lint"]) == 1
    assert capsys.readouterr().out.startswith("The gate cannot write its reports: ")


def test_processors_are_all_that_compares_numbers_three_times(monkeypatch, tmp_path, capsys):
    ran = []
    monkeypatch.setattr(gate, "REPORTS", tmp_path)
    monkeypatch.setattr(gate, "run", lambda *part: ran.append(part) or gate.Result(1.0, passed=2))
    assert gate.main(["processors"]) == 0
    assert ran == [(part, processor) for processor in ("default", "avx2", "best")
                   for part in ("unit", "parity", "outputs")]
    assert capsys.readouterr().out.splitlines()[-1] == "18 passed, 0 failed in 0 min 9 s"


@pytest.mark.slow
@pytest.mark.parametrize("processor", ["default", "best"])
def test_a_processor_reaches_pytorch(monkeypatch, tmp_path, processor):
    """"best" is what PyTorch takes where nobody says anything; it need not be better than "default" here."""
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    says = "import torch; print(torch.backends.cpu.get_cpu_capability())"
    unsaid = subprocess.run([sys.executable, "-c", says], capture_output=True, text=True, check=True).stdout.strip()
    expected = {"default": "DEFAULT", "best": unsaid}[processor]
    program = f"import torch, sys; sys.exit(torch.backends.cpu.get_cpu_capability() != {expected!r})"
    monkeypatch.setattr(gate, "REPORTS", tmp_path)
    monkeypatch.setitem(gate.PARTS, "lint", lambda: ["-c", program])
    assert gate.run("lint", processor).passed == 1


def test_the_work_of_a_part_is_that_of_its_processes(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gate, "REPORTS", tmp_path)
    for name, program in {"lint": "sum(range(20_000_000))", "timing": "import time; time.sleep(0.5)"}.items():
        monkeypatch.setitem(gate.PARTS, name, lambda program=program: ["-c", program])
    busy, idle = gate.run("lint"), gate.run("timing")
    assert 0.1 < busy.work <= 1.1 * busy.seconds and idle.work < 0.5 <= idle.seconds
    assert gate.summarise({"lint": busy}) == 0 and f"{busy.work:.1f} s of work" in capsys.readouterr().out


def test_what_measures_time_is_in_the_part_that_runs_alone():
    """That part collects only the files that name its marker; the others leave out what has the marker, by the rest."""
    assert {file.rpartition("/")[2] for file in gate.timed()} >= {"test_sparse_speed.py", "test_clips.py"}
    for part in ("unit", "fast"):
        assert "not timing" in gate.PARTS[part]()[-1]
    assert gate.PARTS["timing"]()[-2:] == ["-m", "timing"]


def test_the_whole_gate_holds_every_part_but_the_fast_one():
    assert set(gate.WHOLE) == set(gate.PARTS) - {"fast"}


def test_an_unknown_part_is_named():
    ran = subprocess.run([sys.executable, gate.__file__, "units"], capture_output=True, text=True)
    assert ran.returncode == 2 and "no part is called 'units'" in ran.stdout
