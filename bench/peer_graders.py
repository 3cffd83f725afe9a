"""One sheet as nbgrader and otter-grader take it, with the same checks, which they run in the submission's process.

Both are installed in an environment of their own (`build/graders`), which sees the course's libraries behind its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from videoformer_edu.grading.answer_source import text_of
from videoformer_edu.grading.spec import Exercise, SheetSpec

VERSIONS = {"nbgrader": "0.9.6", "otter-grader": "7.0.0"}
IMPORTS = ("import math\nimport einops\nimport torch\nimport torch.nn.functional as F\nfrom torch import nn\n"
           "from einops import rearrange, reduce, repeat")


def environment(folder: Path) -> Path:
    """The Python of the peers' environment, made when it is not there."""
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        libraries = Path(subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
                                        capture_output=True, text=True, check=True).stdout.strip())
        (libraries / "course.pth").write_text(sysconfig.get_paths()["purelib"] + "\n", encoding="utf-8")
        subprocess.run([python, "-m", "pip", "install", "-q", *(f"{n}=={v}" for n, v in VERSIONS.items())], check=True)
        (folder / "ready").touch()
    return python


def variables(python: Path) -> dict[str, str]:
    """A peer's process: its own programs first, this checkout of the course, one thread."""
    return os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}", "OMP_NUM_THREADS": "1",
                         "PYTHONPATH": str(Path(__file__).parents[1])}


def cell(source: str, **nbgrader: object) -> dict:
    facts = {"schema_version": 3, "task": False, **nbgrader}
    return {"cell_type": "code", "execution_count": None, "outputs": [], "source": source,
            "metadata": {"nbgrader": facts} if nbgrader else {}}


def test_of(sheet: SheetSpec, exercise: Exercise) -> str:
    answer = ", ".join(f"{name!r}: {name}" for name in exercise.functions)
    return ("from videoformer_edu.grading.check import check\nfrom videoformer_edu.sheets import load\n"
            f"report = check(load({sheet.number!r}).exercise({exercise.id!r}), {{{answer}}})\n"
            "assert report.outcome == 'right', report")


def notebook(sheet: SheetSpec, answers: Mapping[str, str]) -> dict:
    """The sheet with nbgrader's metadata: a cell an answer, a cell its tests. otter does not mind them."""
    given = dict.fromkeys(made for exercise in sheet.exercises for made in exercise.whole
                          if made not in exercise.answer and made.__name__ not in answers)
    cells = [cell(IMPORTS), *([cell("\n\n\n".join(map(text_of, given)))] if given else [])]
    for exercise in sheet.exercises:
        name = exercise.id.replace(".", "_")
        cells += [cell("\n\n\n".join(answers[function] for function in exercise.functions), grade=False, solution=True,
                       locked=False, grade_id=f"answer_{name}"),
                  cell(test_of(sheet, exercise), grade=True, solution=False, locked=True, grade_id=f"test_{name}",
                       points=exercise.points)]
    return {"cells": cells, "nbformat": 4, "nbformat_minor": 4, "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}}}


def nbgrader(python: Path, place: Path, sheet: SheetSpec, notebooks: Sequence[dict]) -> list[str]:
    """The command that grades all of them; what comes before it, once a course, is done here."""
    def write(folder: str, content: dict) -> None:
        (place / folder).mkdir(parents=True)
        (place / folder / "sheet.ipynb").write_text(json.dumps(content), encoding="utf-8")

    write("source/sheet", notebooks[0])
    (place / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.root = {str(place)!r}\nc.ExecutePreprocessor.timeout = 60\n",
        encoding="utf-8")
    command = [str(python), "-m", "nbgrader"]
    subprocess.run([*command, "generate_assignment", "sheet"], cwd=place, check=True, env=variables(python),
                   capture_output=True)
    for i, content in enumerate(notebooks):
        write(f"submitted/learner{i}/sheet", content)
    return [*command, "autograde", "sheet"]


def otter(python: Path, place: Path, sheet: SheetSpec, notebooks: Sequence[dict]) -> list[list[str]]:
    """The commands that grade them, one a submission, as `otter run` takes them."""
    (place / "tests").mkdir(parents=True)
    for exercise in sheet.exercises:
        lines = "\n".join(f"    {line}" for line in test_of(sheet, exercise).splitlines())
        (place / "tests" / f"q{exercise.id.replace('.', '_')}.py").write_text(
            "from otter.test_files import test_case\n\nOK_FORMAT = False\n"
            f"name = 'q{exercise.id.replace('.', '_')}'\npoints = {exercise.points}\n\n\n@test_case()\n"
            f"def test({', '.join(exercise.functions)}):\n{lines}\n", encoding="utf-8")
    command = [str(python), "-m", "otter"]
    subprocess.run([*command, "generate", "-t", "tests", "-o", "autograder.zip"], cwd=place, check=True,
                   env=variables(python), capture_output=True)
    for i, content in enumerate(notebooks):
        (place / f"learner{i}.ipynb").write_text(json.dumps(content), encoding="utf-8")
        (place / f"out{i}").mkdir()
    return [[*command, "run", "-a", "autograder.zip", "-o", f"out{i}", f"learner{i}.ipynb"]
            for i in range(len(notebooks))]


if __name__ == "__main__":
    print(environment(Path(sys.argv[1])))
