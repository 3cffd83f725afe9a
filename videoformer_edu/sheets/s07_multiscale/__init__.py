"""Sheet 07: pooling attention, the bill of a pyramid, and two frame rates that meet in time."""

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets.s07_multiscale import pathways, pooled_heads, stages

SHEET = SheetSpec(
    number="07",
    title="Pool, count, and let two frame rates meet",
    slug="07_multiscale_sheet",
    exercises=(pooled_heads.EXERCISE, stages.EXERCISE, pathways.EXERCISE),
)
