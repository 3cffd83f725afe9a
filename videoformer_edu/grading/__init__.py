"""Exercises: what they ask (spec), how they are judged (check), how a learner meets them (notebook).

    from videoformer_edu.grading import progress, sheet
    ex1, ex2, ex3, ex4 = sheet("04")
    ex1.check(to_tubes, from_tubes)   # not attempted, crashed, wrong or right, and what to do
    ex1.hint(); ex1.solution(); progress("04")
"""

from videoformer_edu.grading.notebook import Progress, Sheet, progress, sheet
from videoformer_edu.grading.report import Report
from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, SheetSpec, Style, Tolerance

__all__ = ["Case", "Exercise", "Mutant", "Progress", "Property", "Report", "Sheet", "SheetSpec", "Style", "Tolerance",
           "progress", "sheet"]
