"""Sheet 02: its oracles against the package's closed forms, patterns, embeddings and counted bytes."""

import numpy as np
import pytest
import torch

from videoformer_edu.attention.patterns import Axial, Full, Spatial, Temporal
from videoformer_edu.cost import activations, crossing, timesformer_cost
from videoformer_edu.grading.check import check
from videoformer_edu.grading.conclude import prepare
from videoformer_edu.sheets import load
from videoformer_edu.sheets.s02_the_cost_of_time import bill, cards, kept
from videoformer_edu.tokens import Grid, TubeletEmbed

BOXES, BILL, KEPT, CARDS = load("02").exercises


def test_the_sheet_is_of_100_points_and_an_hour_at_most():
    exercises = load("02").exercises
    assert sum(one.points for one in exercises) == 100 and 35 <= sum(one.minutes for one in exercises) <= 60
    assert all(len(one.mutants) >= 10 for one in exercises)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_boxes_are_those_of_the_embedding(seed):
    """The convolution alone: `TubeletEmbed` refuses remainders."""
    for case, expected in zip(*prepare(BOXES, seed), strict=True):
        if case.function == "grid_of":
            frames, height, width, patch, tubelet = case.inputs.values()
            if frames < tubelet:  # a convolution refuses what no box fits into
                assert tuple(expected) == (0, height // patch, width // patch)
                continue
            with torch.device("meta"):
                convolution = TubeletEmbed(tubelet_size=tubelet, patch_size=patch, width=4).proj
                out = convolution(torch.empty(1, 3, frames, height, width))
            assert tuple(expected) == tuple(out.shape[2:])


@pytest.mark.parametrize("grid", [(2, 2, 2), (3, 4, 5), (7, 1, 9)])
def test_pairs_are_the_patterns(grid):
    axial = sum(Axial(axis).pairs(Grid(*grid)) for axis in "thw")
    assert bill.oracle_pairs(*grid) == (Full().pairs(Grid(*grid)), Spatial().pairs(Grid(*grid)),
                                        Temporal().pairs(Grid(*grid)), axial)


@pytest.mark.parametrize("kind", ["joint", "divided"])
@pytest.mark.parametrize(("t", "size", "d", "depth"), [(8, 224, 768, 12), (3, 48, 24, 2), (96, 224, 768, 12)])
def test_cards_are_the_package_s_costs(kind, t, size, d, depth):
    n = (size // 16) ** 2
    cost = timesformer_cost(frames=t, image_size=size, width=d, depth=depth, heads=4, attention=kind)
    assert cards.oracle_macs(kind, t, n, d, depth) == cost.macs
    if kind == "divided":
        tables = (1 + (1 + n) + t) * d  # CLS, places of CLS and patches, times
        assert cards.oracle_parameters(d, depth) == cost.parameters - tables


def test_the_crossing_is_the_package_s():
    for case, expected in zip(*prepare(CARDS, 0), strict=True):
        if case.name == "the crossing at 224 pixels":
            assert expected == crossing() == 11


def test_what_is_kept_is_what_the_package_finds_but_for_statistics():
    found = activations(frames=8, attention="joint")
    numbers = kept.kept_numbers(1569, 768, 3072)
    assert found.block == 4 * (numbers + 1569 * (12 + 4))  # a logarithm a head, mean and deviation of two norms
    whole = kept.training_bytes(12, 1569, 768, 3072, 4, False)
    assert 0.99 < whole / found.kept < 1
    assert kept.score_bytes(1, 12, 1569, 4) == timesformer_cost(attention="joint").attention_bytes


@pytest.mark.parametrize(("exercise", "name", "says"), [
    (CARDS, "floating-point operations", "torch's counter prints"), (CARDS, "one view", "three views"),
    (CARDS, "CLS forgotten", "CLS"), (CARDS, "tables counted", "121.6 M"), (BOXES, "CLS counted", "CLS"),
])
def test_the_usual_slips_at_a_published_number_are_named(exercise, name, says):
    mutant = next(one for one in exercise.mutants if one.name == name)
    report = check(exercise, exercise.functions_of(mutant))
    assert report.mistake == name and says in report.message


def test_a_mad_length_does_not_keep_the_grader_busy():
    wrong = CARDS.right | {"longest_clip": lambda budget, kind, n, d, depth: 10**9}
    report = check(CARDS, wrong)
    assert report.outcome == "wrong" and "more than the" in report.message


def test_every_argument_takes_several_values():
    for exercise in load("02").exercises:
        values = {}
        for seed in range(3):
            for case in exercise.cases(np.random.default_rng(seed)):
                for name, value in case.inputs.items():
                    values.setdefault((case.function, name), set()).add(value)
        assert {key: found for key, found in values.items() if len(found) < 2} == {}
