"""Sheet 05: build ViViT 2 and its relatives, and make them ready for clips of other lengths and sizes."""

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets.s05_vivit import encoder, factorised_heads, other_sizes, tubelets

SHEET = SheetSpec(
    number="05",
    title="Build ViViT, and let it take any clip",
    slug="05_vivit_sheet",
    exercises=(tubelets.EXERCISE, encoder.EXERCISE, factorised_heads.EXERCISE, other_sizes.EXERCISE),
)
