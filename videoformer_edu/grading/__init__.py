"""Exercises: what they ask (spec), how they are judged (check), how a learner meets them (notebook).

The engine knows no sheet. The sheets, and `sheet("04")` for a notebook, are in `videoformer_edu.sheets`.
"""

from videoformer_edu.grading.notebook import Progress, Sheet
from videoformer_edu.grading.report import Report
from videoformer_edu.grading.spec import Case, Exercise, Mutant, Property, SheetSpec, Style, Tolerance

__all__ = ["Case", "Exercise", "Mutant", "Progress", "Property", "Report", "Sheet", "SheetSpec", "Style", "Tolerance"]
