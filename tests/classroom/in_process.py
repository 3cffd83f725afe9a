"""A quick stand-in for the grader of record, for tests of what stands around it: it judges in this process."""

import ast

import pytest

from videoformer_edu.classroom import records, run
from videoformer_edu.grading import answer_source
from videoformer_edu.grading.check import check
from videoformer_edu.grading.record import Graded, GradedExercise, Submission
from videoformer_edu.grading.report import RIGHT
from videoformer_edu.grading.spec import SheetSpec


class NoPool:
    """Where no process is needed."""

    holds, missing = ("nothing: this is a test",), ()

    def __init__(self, workers: int, limits: object):
        self.workers = workers

    def __enter__(self) -> "NoPool":
        return self

    def __exit__(self, *error: object) -> None:
        pass


def no_children(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(run, "Pool", NoPool)
    patch.setattr(records, "grade_submission", grade_in_process)


def grade_in_process(submission: Submission, sheet: SheetSpec, seed: int, pool: NoPool) -> Graded:
    """Functions and imports of cells that are Python, nothing else of them; no attack is handed to this."""
    names, sources = dict(answer_source.TOOLS), {}
    for exercise in sheet.exercises:
        names |= {made.__name__: made for made in exercise.whole if made not in exercise.answer}
    for cell in submission.cells:
        source = "\n".join(line for line in cell.source.splitlines() if not line.startswith(("%", "!", "?")))
        try:
            nodes = ast.parse(source).body
        except SyntaxError:
            continue
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.Import):
                exec(compile(ast.Module([node], []), "<cell>", "exec"), names)
                sources[getattr(node, "name", "")] = ast.unparse(node)
    out = []
    for exercise in sheet.exercises:
        report = check(exercise, {name: names.get(name) for name in exercise.functions}, seed=seed % 2**32)
        partly = report.points and report.outcome != RIGHT
        flags = ("it opens files",) if any("open(" in cell.source for cell in submission.cells) else ()
        out.append(GradedExercise(report, "partly" if partly else report.outcome, flags=flags, seconds=0.25,
                                  source="\n".join(sources.get(name, "") for name in exercise.functions)))
    return Graded(sheet.number, tuple(out))
