"""An experiment as a value: what makes it another one, and what does not."""

from dataclasses import replace

import pytest

from experiments.catalogue import EXPERIMENTS, GROUPS
from experiments.experiment import Experiment, Material, changed, digest
from experiments.material import HELD_OUT
from experiments.starting import PREPARATIONS
from videoformer_edu.training.recipe import Recipe

BASE = Experiment("base", "a model", "c3d_motion", ("data",), seeds=(3, 4))
CHILD = Experiment("child", "started", "c3d_motion", ("data",), start=BASE)


@pytest.mark.parametrize("change", [
    dict(model="r2plus1d_motion"), dict(changes={"widths": (8, 8, 8)}), dict(material=Material(clips=7)),
    dict(material=Material(view="one_frame")), dict(recipe=Recipe(lr=1e-3)), dict(start=CHILD),
    dict(prepare=("sincos_time",))])
def test_other_settings_are_another_experiment(change):
    assert digest(replace(BASE, **change)) != digest(BASE)


@pytest.mark.parametrize("change", [
    dict(name="other"), dict(title="other"), dict(note="more"), dict(ships=True), dict(groups=("length",)),
    dict(seeds=(9,)), dict(recipe=replace(BASE.recipe, seed=5))])
def test_words_and_seeds_do_not_change_what_a_run_means(change):
    assert digest(replace(BASE, **change)) == digest(BASE)


def test_another_start_is_another_experiment():
    longer = replace(CHILD, start=changed(BASE, steps=17))
    other_seed = replace(CHILD, start=replace(BASE, seeds=(4, 3)))
    assert len({digest(CHILD), digest(longer), digest(other_seed)}) == 3


def test_changes_reach_what_an_experiment_starts_from():
    short = changed(CHILD, steps=5, seeds=[8])
    assert (short.recipe.steps, short.seeds) == (short.start.recipe.steps, short.start.seeds) == (5, (8,))
    assert changed(CHILD) == CHILD


@pytest.mark.parametrize(("make", "message"), [
    (lambda: replace(BASE, model="c4d"), "base: there is no builder 'c4d'"),
    (lambda: replace(BASE, seeds=()), "base has no seed"),
    (lambda: Material(view="last_frame"), "view must be one of whole, first_frame, one_frame; got 'last_frame'"),
    (lambda: Material(clips=0), "clips is 0; expected at least 1"),
])
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_the_catalogue_is_sound():
    assert all(name == experiment.name for name, experiment in EXPERIMENTS.items())
    assert len({digest(experiment) for experiment in EXPERIMENTS.values()}) == len(EXPERIMENTS)
    for experiment in EXPERIMENTS.values():
        assert experiment.groups and set(experiment.groups) <= set(GROUPS)
        assert experiment.start is None or EXPERIMENTS[experiment.start.name] == experiment.start
        assert set(experiment.prepare) <= PREPARATIONS.keys()
        assert experiment.recipe.schedule == "stable" or experiment.groups == ("recipe",)  # which compares schedules
        assert len(set(experiment.seeds)) == len(experiment.seeds)
        if set(experiment.groups) - {"images", "display"} and not experiment.material.hidden:
            assert experiment.seeds[:3] == (0, 1, 2), "the spread over three seeds belongs to every claim"
    assert EXPERIMENTS["timesformer_motion_divided"].seeds == (0, 1, 2, 3, 4)
    assert all(any(group in experiment.groups for experiment in EXPERIMENTS.values()) for group in GROUPS)
    assert HELD_OUT == 1024


def test_the_names_that_lessons_use_are_there():
    lessons = {"vit_digits", *(f"timesformer_motion_{kind}" for kind in ("divided", "joint", "joint_time_first",
                                                                        "space_only"))}
    assert lessons <= EXPERIMENTS.keys()
