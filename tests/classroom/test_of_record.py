"""The command with the grader of record: children, limits and all. What is in `made_up_class` gets what it should."""

import csv
import json

import pytest
from made_up_class import (
    ATTACKS,
    as_bytes,
    blank,
    code,
    crash,
    filled_in,
    mistaken,
    odd_notebooks,
    solved,
    worked,
)

from videoformer_edu.classroom.grade_class import main
from videoformer_edu.sheets import load

SHEET = load("03")
RIGHT = {name: source for exercise in SHEET.exercises for name, source in worked(exercise).items()}


def graded(tmp_path, files: dict[str, bytes], *options: str) -> dict[str, dict]:
    """Report by name of file, without its ending."""
    folder = tmp_path / "handed in"
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    assert main([str(folder), "--sheet", "03", "--out", str(tmp_path / "scores.csv"), "--json",
                 str(tmp_path / "report.json"), *options]) == 0
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    with open(tmp_path / "scores.csv", newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(files)
    return {record["student"]: record for record in report["submissions"]}


@pytest.mark.slow
def test_odd_notebooks_get_all_points_or_say_why(tmp_path):
    odd = odd_notebooks(SHEET)
    names = {f"case{i}": name for i, name in enumerate(odd)}
    found = graded(tmp_path, {f"{short}.{'py' if name.endswith('.py') else 'ipynb'}": odd[name][0]
                              for short, name in names.items()})
    for short, name in names.items():
        record, expected = found[short], odd[name][1]
        if expected == "right":
            assert (name, record["state"], record["points"]) == (name, "graded", 100)
        else:
            assert (name, record["state"], record["points"]) == (name, "unreadable", 0)
            assert expected in record["notes"][0]


@pytest.mark.slow
def test_each_costs_its_own_exercise_and_nothing_else(tmp_path):
    first, second = SHEET.exercises[:2]
    name, arguments = next(iter(first.functions.items()))
    lines = {"loop": "while True: x = 1", "exit": "import os; os._exit(0)", "raise": "raise RuntimeError('no')",
             "memory": "return bytearray(1 << 36)"}
    files = {f"{short}.ipynb": as_bytes(filled_in(SHEET, RIGHT | {name: crash(name, arguments, line)}))
             for short, line in lines.items()}
    for short, attack in ATTACKS.items():
        notebook = blank(SHEET)
        notebook["cells"].insert(1, code(attack))
        files[f"{short}.ipynb"] = as_bytes(notebook)
        notebook = solved(SHEET)
        notebook["cells"].insert(1, code(attack))
        files[f"solved, {short}.ipynb"] = as_bytes(notebook)
    mistake, source = mistaken(second)[0]
    files["mistake.ipynb"] = as_bytes(filled_in(SHEET, RIGHT | source))
    found = graded(tmp_path, files, "--timeout", "3")
    outcomes = {short: [exercise["outcome"] for exercise in found[short]["exercises"]] for short in lines}
    assert {short: out[1:] for short, out in outcomes.items()} == dict.fromkeys(lines, ["right"] * 3)
    assert {short: out[0] for short, out in outcomes.items()} == {
        "loop": "timeout", "exit": "crashed", "raise": "crashed", "memory": "memory"}
    for short in ATTACKS:
        assert (short, found[short]["points"], found[f"solved, {short}"]["points"]) == (short, 0, 100)
    assert found["mistake"]["exercises"][1]["mistake"] == mistake
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert [group["exercise"] for group in report["alike"] if group["as_worked"]] == [e.id for e in SHEET.exercises]
