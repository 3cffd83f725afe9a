"""The gate: everything that must hold, part by part, with times. `make test` runs it whole.

    python tests/gate.py              all parts
    python tests/gate.py lint fast    some parts; `fast` is the unit tests that take less than two minutes together
    python tests/gate.py processors   all that compares numbers, once for each kind of x86 processor

It ends with one line, `N passed, N failed`, and with exit status 1 if anything failed, was skipped or was not there.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as xml
from dataclasses import dataclass, field

ROOT = pathlib.Path(__file__).parents[1]
REPORTS = ROOT / "build" / "reports"
SLOWEST = 10

PYTEST = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
TESTS = [*PYTEST, "-p", "no:nbval"]  # which takes a second to import, in each process
TWO = ["-n", "2"]
WHOLE_FILES = ["--dist", "loadfile", "--no-loadscope-reorder"]  # what a file shares among its tests is made once
# What has a part of its own is not even collected: importing the published models takes ten seconds in each process.
ELSEWHERE = ["--ignore", "tests/parity", "--ignore", "tests/browser"]


def executed_notebooks() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for folder in ("notebooks", "solutions")
                  for path in (ROOT / folder).glob("[0-9][0-9]_*.ipynb") if not path.stem.endswith(".new"))


def timed() -> list[str]:
    """The files with tests that measure time; those in a browser are in its part."""
    return sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")
                  if "mark.timing" in path.read_text(encoding="utf-8") and path.parent.name != "browser"
                  and path.name != "test_gate.py")


def nbval() -> list[str]:
    """Strict validation: every cell of every lesson and solution is run again and must print what is committed."""
    return [*PYTEST, "--nbval", "--nbval-current-env", "--nbval-cell-timeout=120",
            "--nbval-sanitize-with=tests/sanitize.cfg", *TWO, "--dist", "loadfile",
            "-W", "default", *executed_notebooks()]


PARTS = {
    "lint": lambda: ["-m", "ruff", "check", "--quiet", "--output-format", "concise", "."],
    "unit": lambda: [*TESTS, *TWO, *WHOLE_FILES, "tests", *ELSEWHERE, "--ignore", "tests/notebooks",
                     "-m", "not timing"],
    "parity": lambda: [*TESTS, *TWO, *WHOLE_FILES, "tests/parity"],
    "timing": lambda: [*TESTS, *timed(), "-m", "timing"],
    "notebooks": lambda: [*TESTS, *TWO, "tests/notebooks"],
    "outputs": nbval,
    "browser": lambda: [*TESTS, *TWO, "--no-loadscope-reorder", "tests/browser"],
    "fast": lambda: [*TESTS, *TWO, *WHOLE_FILES, "tests", *ELSEWHERE, "-m", "not slow and not timing"],
}
WHOLE = [part for part in PARTS if part != "fast"]

# The instructions that PyTorch and the libraries below it may use; the last: all that this processor has.
PROCESSORS = {
    "default": {"ATEN_CPU_CAPABILITY": "default", "ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE"},
    "avx2": {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_CBWR": "AVX2"},
    "best": {},
}
NUMBERS = ("unit", "parity", "outputs")


@dataclass
class Result:
    """What one part came to. `cases` are (seconds, name); `complaints` are failures that no test stands for.

    `work`: seconds of all processes together; twice `seconds` is the most that two cores can give.
    """

    seconds: float
    work: float = 0
    passed: int = 0
    failed: int = 0
    complaints: list[str] = field(default_factory=list)
    cases: list[tuple[float, str]] = field(default_factory=list)


def run(part: str, processor: str = "best") -> Result:
    report = REPORTS / (f"{part}.xml" if processor == "best" else f"{part}_{processor}.xml")
    report.unlink(missing_ok=True)
    command = [sys.executable, *PARTS[part]()]
    tested = "pytest" in command
    if tested:
        command.append(f"--junitxml={report}")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "HF_HUB_OFFLINE": "1",
                   **PROCESSORS[processor]}
    environment.pop("MPLBACKEND", None)  # a kernel draws inline unless it is told otherwise
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each of the many processes compiles package and tests anew
    start, before = time.perf_counter(), work()
    status = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode
    result = read(report) if tested else Result(0, passed=int(status == 0))
    result.seconds, result.work = time.perf_counter() - start, work() - before
    if tested and not result.cases:
        result.complaints.append(f"{part}: no test ran")
    elif status and not (result.failed or result.complaints):
        result.complaints.append(f"{part}: ended with status {status}")
    return result


def work() -> float:
    """Seconds that the processors have worked for the processes that ended under this one."""
    times = os.times()
    return times.children_user + times.children_system


def read(report: pathlib.Path) -> Result:
    """The result that pytest wrote; a skipped test counts as a complaint, for a gate that looks away is none."""
    result = Result(0)
    if not report.exists():
        return result
    for case in xml.parse(report).iter("testcase"):
        file = re.sub(r"\.(?!ipynb$)", "/", case.get("classname", ""))
        name = f"{file}::{case.get('name')}"
        result.cases.append((float(case.get("time", 0)), name))
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
        elif case.find("skipped") is not None:
            result.complaints.append(f"skipped: {name}")
        else:
            result.passed += 1
    return result


def browser_is_there() -> bool:
    """Install a browser where there is none and that is allowed; otherwise it is said in one sentence what to do."""
    return subprocess.run([sys.executable, "-m", "tools.system", "browser"], cwd=ROOT).returncode == 0


def main(parts: list[str]) -> int:
    processors = parts == ["processors"]
    unknown = [part for part in parts if part not in PARTS and not processors]
    if unknown:
        print(f"no part is called {unknown[0]!r}; there are: {', '.join(PARTS)}; or processors, alone")
        return 2
    runs = [(part, processor) for processor in PROCESSORS for part in NUMBERS] if processors else [
        (part, "best") for part in parts or WHOLE]
    if ("browser", "best") in runs and not browser_is_there():
        return 1
    try:
        REPORTS.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=REPORTS).close()
    except OSError as error:
        print(f"The gate cannot write its reports: {error}. Copy the course to a folder of your own.")
        return 1
    results = {}
    for number, (part, processor) in enumerate(runs, start=1):
        name = f"{part}, {processor}" if processors else part
        print(f"\n=== {name} ({number} of {len(runs)})", flush=True)
        results[name] = run(part, processor)
    return summarise(results)


def summarise(results: dict[str, Result]) -> int:
    print("\n=== summary")
    for part, result in results.items():
        print(f"{part:<15} {result.passed:>5} passed {result.failed:>4} failed {result.seconds:>8.1f} s"
              f" {result.work:>8.1f} s of work")
    cases = [case for result in results.values() for case in result.cases]
    files: dict[str, float] = {}
    for seconds, name in cases:
        file = name.partition("::")[0]
        files[file] = files.get(file, 0) + seconds
    for what, slowest in (("files", [(seconds, file) for file, seconds in files.items()]), ("tests", cases)):
        slowest = sorted(slowest, reverse=True)[:SLOWEST]
        if slowest:
            print(f"\nThe {len(slowest)} slowest {what}:")
            print("\n".join(f"{seconds:>8.1f} s  {name}" for seconds, name in slowest))
    complaints = [complaint for result in results.values() for complaint in result.complaints]
    if complaints:
        print("\nApart from failed tests:\n" + "\n".join(complaints))
    passed = sum(result.passed for result in results.values())
    failed = sum(result.failed for result in results.values()) + len(complaints)
    seconds = sum(result.seconds for result in results.values())
    print(f"\n{passed} passed, {failed} failed in {seconds // 60:.0f} min {seconds % 60:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
