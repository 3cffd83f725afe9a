"""A class that nobody teaches: right, partly right, every mistake of the sheet, odd notebooks, attacks.

    python tests/classroom/made_up_class.py FOLDER 03        # writes one file a learner, to be graded by the command
"""

from __future__ import annotations

import ast
import copy
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from videoformer_edu.grading.answer_source import text_of
from videoformer_edu.grading.spec import Exercise, SheetSpec
from videoformer_edu.sheets import load

ROOT = Path(__file__).parents[2]


def blank(sheet: SheetSpec) -> dict:
    """The sheet as it is handed out."""
    return json.loads((ROOT / "exercises" / f"{sheet.slug}.ipynb").read_text(encoding="utf-8"))


def worked(exercise: Exercise) -> dict[str, str]:
    return {made.__name__: text_of(made) for made in exercise.answer}


@cache
def mistaken(exercise: Exercise) -> list[tuple[str, dict[str, str]]]:
    """(name, source by function) of the mistakes that lie in the learner's own functions."""
    whole = "\n\n\n".join(map(text_of, exercise.whole)) + "\n"
    before = by_name(whole)
    out = []
    for mutant in exercise.mutants:
        text = whole
        for old, new in mutant.edits:
            text = text.replace(old, new)
        changed = {name: source for name, source in by_name(text).items() if source != before.get(name)}
        if changed and changed.keys() <= exercise.functions.keys():
            out.append((mutant.name, worked(exercise) | changed))
    return out


def by_name(text: str) -> dict[str, str]:
    return {node.name: ast.get_source_segment(text, node) for node in ast.parse(text).body
            if isinstance(node, ast.FunctionDef)}


def filled_in(sheet: SheetSpec, answers: Mapping[str, str]) -> dict:
    """The sheet with these functions written into the cells of their stubs."""
    notebook = blank(sheet)
    for cell in answer_cells(notebook):
        names = [tag.removeprefix("answer:") for tag in cell["metadata"]["tags"]]
        stubs = by_name("".join(cell["source"]))
        cell["source"] = "\n\n\n".join(answers.get(name, stubs[name]) for name in names)
    return notebook


def answer_cells(notebook: dict) -> list[dict]:
    return [cell for cell in notebook["cells"]
            if any(tag.startswith("answer:") for tag in cell["metadata"].get("tags", ()))]


def code(source: str, **metadata) -> dict:
    return {"cell_type": "code", "execution_count": None, "metadata": metadata, "outputs": [], "source": source}


def solved(sheet: SheetSpec) -> dict:
    return filled_in(sheet, {n: s for exercise in sheet.exercises for n, s in worked(exercise).items()})


def as_bytes(notebook: dict) -> bytes:
    return json.dumps(notebook).encode()


def odd_notebooks(sheet: SheetSpec) -> dict[str, tuple[bytes, str]]:
    """What happens to right answers on the way: name -> (file, "right", or why nothing can be graded)."""
    right = solved(sheet)

    def changed(edit) -> bytes:
        notebook = copy.deepcopy(right)
        edit(notebook)
        return as_bytes(notebook)

    def no_metadata(notebook):
        notebook["metadata"] = {}
        for cell in notebook["cells"]:
            cell["metadata"] = {}

    def renamed(notebook):
        for i, cell in enumerate(answer_cells(notebook)):
            cell["metadata"]["tags"], cell["id"] = [f"mine-{i}"], f"cell{i}"

    def doubled(notebook):
        cells = []
        for cell in notebook["cells"]:
            cells += [cell, copy.deepcopy(cell)] if cell in answer_cells(notebook) else [cell]
        notebook["cells"] = cells

    def stub_first(notebook):
        notebook["cells"] = answer_cells(blank(sheet)) + notebook["cells"]

    def split(notebook):
        cells = []
        for cell in notebook["cells"]:
            cells += ([code(text) for text in by_name(cell["source"]).values()]
                      if cell in answer_cells(notebook) else [cell])
        notebook["cells"] = cells

    def merged(notebook):
        texts = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"
                 and "sheet(" not in "".join(cell["source"]) and ".check(" not in "".join(cell["source"])]
        head = [cell for cell in notebook["cells"] if "sheet(" in "".join(cell["source"])]
        notebook["cells"] = [*head, code("\n\n".join(texts))]

    def magics(notebook):
        for cell in answer_cells(notebook):
            cell["source"] = "%matplotlib inline\n!pip list\n?print\n" + cell["source"]
        notebook["cells"].insert(1, code("%%time\nx = 1"))

    def old_format(notebook):
        cells = [cell | {"input": cell["source"]} if cell["cell_type"] == "code" else cell
                 for cell in notebook.pop("cells")]
        for cell in cells:
            cell.pop("source") if "input" in cell else None
        notebook.update(nbformat=3, worksheets=[{"cells": cells}])

    def large_outputs(notebook):
        text = {"output_type": "stream", "name": "stdout", "text": "0123456789" * 10_000}
        notebook["cells"][1]["outputs"] = [text] * 500  # 50 MB

    def with_helper(notebook):
        first = answer_cells(notebook)[0]
        name, text = next(iter(by_name(first["source"]).items()))
        others = [t for n, t in by_name(first["source"]).items() if n != name]
        arguments = ", ".join(arg.arg for arg in ast.parse(text).body[0].args.args)
        helper = text.replace(f"def {name}(", f"def my_{name}(", 1)
        first["source"] = "\n\n\n".join([f"def {name}({arguments}):\n    return my_{name}({arguments})", *others])
        notebook["cells"].append(code(helper))

    def broken_cell(notebook):
        notebook["cells"].append(code("def unfinished(:\n    this is no Python"))

    def with_bom(notebook):
        notebook["cells"].insert(0, {"cell_type": "markdown", "metadata": {}, "source": "Übung, 解答"})

    edits = {"without metadata": no_metadata, "cells renamed": renamed, "cells doubled": doubled,
             "a stub before the answer": stub_first, "cells split": split, "cells merged": merged,
             "magics and shell lines": magics, "format 3": old_format, "50 MB of outputs": large_outputs,
             "a helper in another cell": with_helper, "a cell that is no Python": broken_cell}
    text = "\n\n\n".join("".join(cell["source"]) for cell in right["cells"]
                         if cell["cell_type"] == "code" and ".check(" not in "".join(cell["source"])
                         and not "".join(cell["source"]).lstrip().startswith(("progress(", "#")))
    out = {name: (changed(edit), "right") for name, edit in edits.items()}
    out["a mark before UTF-8"] = (b"\xef\xbb\xbf" + changed(with_bom), "right")
    out["Latin-1 for UTF-8"] = (json.dumps(solved(sheet) | {"metadata": {"name": "Übung"}}, ensure_ascii=False)
                                .encode("latin-1", "replace"), "right")
    out["UTF-16"] = (json.dumps(right).encode("utf-16"), "right")
    out["a script.py"] = (text.encode(), "right")
    out["invalid JSON"] = (as_bytes(right)[:-40], "JSON cannot be read")
    out["a merge conflict"] = (b"<<<<<<< HEAD\n" + as_bytes(right), "JSON cannot be read")
    out["deeply nested JSON"] = (b'{"cells":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "JSON cannot be read")
    out["empty"] = (b"", "is empty")
    out["no cells"] = (b'{"cells": [], "metadata": {}, "nbformat": 4}', "holds no code")
    out["another file"] = (b"[1, 2, 3]", "holds no cells")
    return out


ATTACKS = {
    "stops in a cell": "import sys\nsys.exit(0)",
    "patches torch": "import torch\ntorch.allclose = lambda *a, **k: True\ntorch.equal = lambda *a: True",
    "patches the check": "import videoformer_edu.grading.check as c\nc.check = lambda *a, **k: None",
    "writes a report": "open('results.json', 'w').write('{\"score\": 100}')",
    "reads the answers": "from videoformer_edu.sheets import load\nsolution = load('04').exercises[0].right",
}


def crash(name: str, arguments: str, line: str) -> str:
    return f"def {name}({arguments}):\n    {line}"


def the_class(number: str = "03") -> dict[str, bytes]:
    """File name -> contents, 40 files: whoever has every mistake of an exercise comes after those who have none."""
    sheet = load(number)
    exercises = sheet.exercises
    notebooks = [solved(sheet) for _ in range(2)]
    for count in range(len(exercises)):  # the first exercises right, the others as they were handed out
        notebooks.append(filled_in(sheet, {n: s for e in exercises[:count] for n, s in worked(e).items()}))
    banks = [mistaken(exercise) for exercise in exercises]
    for i in range(max(map(len, banks))):  # each mistake once; who has run out of mistakes is right there
        answers: dict[str, str] = {}
        for exercise, bank in zip(exercises, banks, strict=True):
            answers |= bank[i][1] if i < len(bank) else worked(exercise)
        notebooks.append(filled_in(sheet, answers))
    first = exercises[0]
    name, arguments = next(iter(first.functions.items()))
    right = {n: s for e in exercises for n, s in worked(e).items()}
    for line in ("while True: x = 1", "import os; os._exit(0)", "raise RuntimeError('<b>no</b>')",
                 "x = bytearray(1 << 36)"):
        notebooks.append(filled_in(sheet, right | {name: crash(name, arguments, line)}))
    for attack in ATTACKS.values():
        notebook = blank(sheet)
        notebook["cells"].insert(1, code(attack))
        notebooks.append(notebook)
    files = {f"learner_{i:02}_{sheet.slug}.ipynb": as_bytes(notebook) for i, notebook in enumerate(notebooks)}
    odd = odd_notebooks(sheet)
    shown = ("without metadata", "cells doubled", "cells split", "magics and shell lines", "a script.py",
             "Latin-1 for UTF-8", "invalid JSON", "empty")
    for i, name in enumerate(shown, len(files)):
        files[f"learner_{i:02}_{sheet.slug}.{'py' if name.endswith('py') else 'ipynb'}"] = odd[name][0]
    return files


def small_class() -> dict[str, bytes]:
    """Right, half done, two with the same mistake, one that opens a file, and one that is damaged."""
    sheet = load("03")
    first, second = sheet.exercises[:2]
    wrong = worked(second) | mistaken(second)[1][1]
    half = filled_in(sheet, worked(first))
    opens = filled_in(sheet, worked(first))
    opens["cells"].append({"cell_type": "code", "metadata": {}, "source": "open('x')", "outputs": []})
    return {f"First Learner_101_assignsubmission_file/{sheet.slug}.ipynb": as_bytes(solved(sheet)),
            f"=1+1 Learner_102_assignsubmission_file/{sheet.slug}.ipynb": as_bytes(half),
            f"Ünïcode Learner_103_assignsubmission_file/{sheet.slug}.ipynb": as_bytes(filled_in(sheet, wrong)),
            f"Learner O'Quote_104_assignsubmission_file/{sheet.slug}.ipynb": as_bytes(filled_in(sheet, wrong)),
            f"Learner <b>_105_assignsubmission_file/{sheet.slug}.ipynb": as_bytes(opens),
            f"Learner, Comma_106_assignsubmission_file/{sheet.slug}.ipynb": b"{",
            "Learner, Comma_106_assignsubmission_file/notes.txt": b"hello"}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file_name, content in the_class(*sys.argv[2:]).items():
        (folder / file_name).write_bytes(content)
