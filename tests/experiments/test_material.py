"""What is trained on, chosen on and reported on: three sets that never meet."""

import pytest
import torch

from experiments.catalogue import EXPERIMENTS
from experiments.experiment import Material
from experiments.material import (
    REPORT_SEED,
    VALIDATION_SEED,
    Steps,
    clip_pool,
    pick,
    report_examples,
    source,
    validation_examples,
)
from videoformer_edu.data.motion import TEST_SEED, batch_seed, motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.training.recipe import Recipe


def test_no_fresh_batch_comes_twice():
    recipe = Recipe(steps=4, batch=2)
    everything = [x for seed in (0, 1) for x, _ in source(Material(), recipe, seed)(0)]
    assert len(everything) == 8
    assert all(not torch.equal(a, b) for i, a in enumerate(everything) for b in everything[:i])


@pytest.mark.parametrize("material", [Material(), Material(clips=5, view="one_frame"), Material("digits")],
                         ids=["fresh", "pool", "digits"])
def test_a_batch_depends_on_its_step_alone(material):
    recipe = Recipe(steps=6, batch=3)
    whole, later = list(source(material, recipe, 2)(0)), list(source(material, recipe, 2)(4))
    assert (len(whole), len(later)) == (6, 2)
    assert all(torch.equal(a, b) for early, late in zip(whole[4:], later, strict=True)
               for a, b in zip(early, late, strict=True))


def test_workers_draw_the_same_batches():
    recipe = Recipe(steps=3, batch=2)
    alone, helped = (list(source(Material(), recipe, 0, workers)(1)) for workers in (0, 1))
    assert len(alone) == len(helped) == 2
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(alone, helped, strict=True))


def test_a_pool_is_seen_once_in_every_epoch_and_begins_with_the_smaller_ones():
    material, recipe = Material(clips=7), Recipe(steps=21, batch=3)
    pixels, labels = clip_pool(material, 7, seed=5, chunk=4)
    assert len(pixels) == len(labels) == 7
    assert torch.equal(clip_pool(material, 3, seed=5, chunk=4)[0], pixels[:3])
    assert torch.equal(pixels[4:], motion_batch(4, seed=batch_seed(5, 1)).clips[:3])
    inputs = torch.cat([x for x, _ in source(material, recipe, 5)(0)])  # 63 clips: nine epochs
    pool = normalise(clip_pool(material, 7, seed=5)[0], MOTION_PIXELS)
    which = [next(i for i, clip in enumerate(pool) if torch.equal(clip, x)) for x in inputs]
    epochs = [which[i:i + 7] for i in range(0, 63, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1  # in another order


def test_a_batch_may_reach_over_several_epochs():
    order = torch.cat([pick(4, first, 10, seed=1) for first in (0, 10, 20, 30)])
    assert all(sorted(order[i:i + 4].tolist()) == [0, 1, 2, 3] for i in range(0, 40, 4))


def test_views_show_no_more_than_they_say():
    whole = next(iter(source(Material(), Recipe(batch=6), 0)(0)))[0]
    first = next(iter(source(Material(view="first_frame"), Recipe(batch=6), 0)(0)))[0]
    assert torch.equal(first, whole[:, :, :1])
    one = next(iter(source(Material(view="one_frame"), Recipe(batch=6), 0)(0)))[0]
    shown = one.abs().amax(dim=(1, 3, 4)) > 0  # (b, t)
    assert shown.sum(dim=1).tolist() == [1] * 6
    assert torch.equal(one.transpose(1, 2)[shown], whole.transpose(1, 2)[shown])
    many = next(iter(source(Material(view="one_frame"), Recipe(batch=400), 0)(0)))[0]
    times = (many.abs().amax(dim=(1, 3, 4)) > 0).float().sum(dim=0)
    assert (times - 50).abs().max() < 25  # each of the eight frames, equally often


def test_the_report_has_digits_photographs_and_a_seed_of_its_own(few):
    material = Material(frames=3, size=16)
    checked, _ = validation_examples(material)
    reported, labels = report_examples(material)
    expected = motion_batch(few, seed=REPORT_SEED, split="test", frames=3, size=16)
    assert torch.equal(reported, normalise(expected.clips, MOTION_PIXELS)) and torch.equal(labels, expected.direction)
    again = motion_batch(few, seed=VALIDATION_SEED, frames=3, size=16)
    assert torch.equal(checked, normalise(again.clips, MOTION_PIXELS))
    assert len({REPORT_SEED, VALIDATION_SEED, TEST_SEED}) == 3


def test_no_run_trains_on_the_validation_clips():
    for experiment in EXPERIMENTS.values():
        for seed in experiment.seeds:
            assert VALIDATION_SEED not in range(batch_seed(seed, 0), batch_seed(seed, experiment.recipe.steps))


def test_held_out_examples_do_not_depend_on_how_many_clips_are_trained_on(few):
    assert torch.equal(report_examples(Material(clips=3))[0], report_examples(Material())[0])


def test_which_frame_is_shown_says_nothing_about_the_label():
    """Drawn from the clips' own seed, the shown frame was the label: the one number that a control must not leak."""
    video, labels = next(iter(source(Material(view="one_frame"), Recipe(batch=800), 0)(0)))
    shown = video.abs().amax(dim=(1, 3, 4)).argmax(dim=1)  # (b,): the frame that is not grey
    table = torch.bincount(labels * 8 + shown, minlength=64).reshape(8, 8)  # label, shown frame
    assert table.min() >= 1 and table.max() <= 30  # 12.5 clips each on average, Poisson
    assert abs((labels == shown).float().mean().item() - 1 / 8) < 0.05


def test_mirrored_clips_get_the_labels_of_what_is_seen_or_of_what_was():
    plain, exchanged, kept = (Steps(Material(clips=40, flip=flip), Recipe(steps=2, batch=32), seed=4)[1]
                              for flip in ("never", "labels_exchanged", "labels_kept"))
    mirrored = torch.tensor([not torch.equal(a, b) for a, b in zip(plain[0], exchanged[0], strict=True)])
    assert 8 < mirrored.sum() < 24
    torch.testing.assert_close(exchanged[0][mirrored], plain[0][mirrored].flip(-1), rtol=0, atol=0)
    table = torch.tensor([1, 0, 2, 3, 6, 7, 4, 5])  # E W S N SE NW SW NE
    assert torch.equal(exchanged[1], torch.where(mirrored, table[plain[1]], plain[1]))
    assert torch.equal(kept[0], exchanged[0]) and torch.equal(kept[1], plain[1])
    with pytest.raises(ValueError, match="flip must be one of"):
        Material(flip="sometimes")
