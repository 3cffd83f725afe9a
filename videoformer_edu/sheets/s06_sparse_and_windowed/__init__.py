"""Sheet 06: attention that skips work, windows and their shift, and the patches that repeat."""

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets.s06_sparse_and_windowed import local, partition, repeats, shifted

SHEET = SheetSpec(
    number="06",
    title="Skip the work, and prove it",
    slug="06_sparse_and_windowed_sheet",
    exercises=(local.EXERCISE, partition.EXERCISE, shifted.EXERCISE, repeats.EXERCISE),
)
