"""Judge an answer in the process that it lives in: collect what it gives, conclude what that means.

What `check` says in a notebook is feedback, not a grade: an answer that runs in the same process can change it, and may
call the package's own modules. A grader of record makes the same two steps in two processes.
"""

from __future__ import annotations

from videoformer_edu.grading.collect import collect
from videoformer_edu.grading.conclude import calls, conclude, refused
from videoformer_edu.grading.report import Report
from videoformer_edu.grading.settings import own_random_numbers
from videoformer_edu.grading.spec import Exercise, Functions
from videoformer_edu.grading.words import misuse_words


def check(exercise: Exercise, answer: Functions, *, seed: int = 0) -> Report:
    """Call the functions of `answer` on the exercise's cases and report. A missing or `None` function is untried.

    The same seed gives the same cases and so the same report.
    """
    odd = misuse_words(exercise, answer)
    if odd:
        return refused(exercise, odd)
    with own_random_numbers(seed):
        given = collect(answer, calls(exercise, seed), exercise.helpers)
    return conclude(exercise, seed, given)
