"""Sheet 08: what a training loop is made of, from the clips that go in to the number that comes out."""

from videoformer_edu.grading.spec import SheetSpec
from videoformer_edu.sheets.s08_training import augmentation, groups, many_views, order_of_calls, schedule

SHEET = SheetSpec(
    number="08",
    title="Train a video model, and measure it",
    slug="08_training_sheet",
    exercises=(augmentation.EXERCISE, schedule.EXERCISE, groups.EXERCISE, order_of_calls.EXERCISE,
               many_views.EXERCISE),
)
