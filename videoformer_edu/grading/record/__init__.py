"""The grader of record: an answer runs in a limited process, what comes back is judged in this one after it has ended.

    with Pool(workers=2) as pool:
        graded = grade_submission(Submission(cells), load("04"), seed, pool)
"""

from videoformer_edu.grading.record.grade import grade_submission
from videoformer_edu.grading.record.graded import Cell, Graded, GradedExercise, Limits, Submission
from videoformer_edu.grading.record.pool import Pool

__all__ = ["Cell", "Graded", "GradedExercise", "Limits", "Pool", "Submission", "grade_submission"]
