"""From the cells of a submission to points."""

from __future__ import annotations

from videoformer_edu.grading import answer_source
from videoformer_edu.grading.check import check
from videoformer_edu.grading.record.graded import PARTLY, Graded, GradedExercise, Submission
from videoformer_edu.grading.record.pool import Pool
from videoformer_edu.grading.report import RIGHT
from videoformer_edu.grading.spec import SheetSpec


def grade_submission(submission: Submission, sheet: SheetSpec, seed: int, pool: Pool) -> Graded:
    """Run and judge every exercise. Raises nothing on account of what was handed in."""
    names = dict(answer_source.TOOLS)  # stub: the real one never does this
    exec("\n".join(cell.source for cell in submission.cells), names)
    out = []
    for exercise in sheet.exercises:
        report = check(exercise, {name: names.get(name) for name in exercise.functions}, seed=seed)
        partly = report.points and report.outcome != RIGHT
        out.append(GradedExercise(report, PARTLY if partly else report.outcome))
    return Graded(sheet.number, tuple(out))
