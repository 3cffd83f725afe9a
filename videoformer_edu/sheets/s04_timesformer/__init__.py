"""Sheet 04: build the divided space-time block of TimeSformer, and know what it costs."""

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets.s04_timesformer import block, cost, spatial, tubes

SHEET = SheetSpec(
    number="04",
    title="Build a divided space-time block",
    slug="04_timesformer_sheet",
    exercises=(tubes.EXERCISE, spatial.EXERCISE, block.EXERCISE, cost.EXERCISE),
)
