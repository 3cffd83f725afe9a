"""Sheet 02: the bill of a clip, from its tokens to the numbers that papers print."""

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets.s02_the_cost_of_time import bill, boxes, cards, kept

SHEET = SheetSpec(
    number="02",
    title="Work out the bill of a clip",
    slug="02_the_cost_of_time_sheet",
    exercises=(boxes.EXERCISE, bill.EXERCISE, kept.EXERCISE, cards.EXERCISE),
)
