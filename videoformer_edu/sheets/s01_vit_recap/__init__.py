"""Sheet 01: build a vision transformer from its pieces, and let it name digits with trained weights."""

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets.s01_vit_recap import heads, patches, places, vit_block

SHEET = SheetSpec(
    number="01",
    title="Build a vision transformer",
    slug="01_vit_recap_sheet",
    exercises=(patches.EXERCISE, places.EXERCISE, heads.EXERCISE, vit_block.EXERCISE),
)
