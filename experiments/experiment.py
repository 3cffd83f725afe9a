"""An experiment as a value: which model, shown what, trained how, from where, and what is asked of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace

from videoformer_edu.models.registry import BUILDERS
from videoformer_edu.training.recipe import Recipe

VIEWS = ("whole", "first_frame", "one_frame")
FLIPS = ("never", "labels_exchanged", "labels_kept")
# Learning starts late on the motion clips: the rate stays at its height for long.
RECIPE = Recipe(steps=1000, schedule="stable")


@dataclass(frozen=True)
class Material:
    """What a model is shown.

    task: "digits" (pictures) or a task of `data.motion` (clips of `frames` frames); `size` pixels wide and high. speed:
    see `motion_batch`; 16 frames at speed 2 are a clip of 8 that goes on for as long again.
    clips: how many distinct clips there are to train on, the same ones over and over; None: each comes once.
    view: "whole"; "first_frame", which leaves a clip of one frame; "one_frame", a random one in its place, the others
    grey, so that the model knows which one it is. hidden: the share of the places that is hidden and has to be painted
    (VideoMAE's pretraining, which looks at no label); 0: nothing is hidden, and the label is asked for.
    flip: are half of the training clips mirrored, and do their labels follow?
    """

    task: str = "motion"
    frames: int = 8
    size: int = 32
    clips: int | None = None
    view: str = "whole"
    hidden: float = 0.0
    speed: float = 1.0
    flip: str = "never"

    def __post_init__(self):
        if self.flip not in FLIPS:
            raise ValueError(f"flip must be one of {', '.join(FLIPS)}; got {self.flip!r}")
        if self.view not in VIEWS:
            raise ValueError(f"view must be one of {', '.join(VIEWS)}; got {self.view!r}")
        if self.clips is not None and self.clips < 1:
            raise ValueError(f"clips is {self.clips}; expected at least 1, or None for fresh ones in each step")


@dataclass(frozen=True)
class Experiment:
    """One row of the results.

    name: of its files and in `small_results()`. title: what it is, in a few words. groups: the tables that it stands
    in. model, changes: a builder of `models` and its arguments. start: the experiment whose weights it starts from
    (those of its first seed). prepare: functions of `starting.PREPARATIONS`, called one after the other before
    training. also: other clips on which the accuracy is reported, too. Each of the `seeds` is one run, the spread of
    which is reported; where `ships` is true, the weights of the first one come with the package. note: what a reader
    has to know.
    """

    name: str
    title: str
    model: str
    groups: tuple[str, ...]
    changes: dict = field(default_factory=dict)
    material: Material = Material()
    recipe: Recipe = RECIPE
    start: Experiment | None = None
    prepare: tuple[str, ...] = ()
    also: tuple[Material, ...] = ()
    seeds: tuple[int, ...] = (0, 1, 2)
    ships: bool = False
    note: str = ""

    def __post_init__(self):
        if self.model not in BUILDERS:
            raise ValueError(f"{self.name}: there is no builder {self.model!r}")
        if not self.seeds:
            raise ValueError(f"{self.name} has no seed")

    def settings(self) -> dict:
        """Everything that its numbers depend on, as plain values; not its name, its notes and how often it is run."""
        recipe = {key: value for key, value in self.recipe.to_dict().items() if key != "seed"}
        start = None if self.start is None else [digest(self.start), self.start.seeds[0]]
        also = {"also": [plain(material) for material in self.also]} if self.also else {}
        return {"model": self.model, "changes": self.changes, "material": plain(self.material), "recipe": recipe,
                "start": start, "prepare": list(self.prepare)} | also


def plain(material: Material) -> dict:
    """As it stands in the results: speed and flip are named where they are not the usual ones."""
    usual = (("speed", 1.0), ("flip", "never"))
    return {key: value for key, value in asdict(material).items() if (key, value) not in usual}


def digest(experiment: Experiment) -> str:
    """Eight letters that change when the experiment does, or the one that it starts from."""
    return hashlib.sha256(json.dumps(experiment.settings(), sort_keys=True).encode()).hexdigest()[:8]


def changed(experiment: Experiment, *, steps: int | None = None, seeds: Iterable[int] | None = None) -> Experiment:
    """The experiment, and what it starts from, with other steps or seeds; None leaves them."""
    start = experiment.start and changed(experiment.start, steps=steps, seeds=seeds)
    recipe = experiment.recipe if steps is None else replace(experiment.recipe, steps=steps)
    return replace(experiment, start=start, recipe=recipe,
                   seeds=experiment.seeds if seeds is None else tuple(seeds))
