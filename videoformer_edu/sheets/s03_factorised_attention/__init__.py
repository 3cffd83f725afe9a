"""Sheet 03: who may look at whom, who can have heard whom, and how to compute it without the rest."""

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets.s03_factorised_attention import heard, predicates, regrouping, wiring

SHEET = SheetSpec(
    number="03",
    title="Factorise attention",
    slug="03_factorised_attention_sheet",
    exercises=(predicates.EXERCISE, heard.EXERCISE, regrouping.EXERCISE, wiring.EXERCISE),
)
