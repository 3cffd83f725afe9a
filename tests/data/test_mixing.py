"""MixUp and CutMix: two clips become one, and the targets say so exactly."""

import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.data.mixing import mix

SHAPE = (5, 3, 4, 6, 7)  # b c t h w, all different
LABELS = torch.tensor([0, 1, 2, 3, 4])


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def own_shares(targets):
    """With labels 0 1 2 ...: what each clip keeps of itself, and what it takes of the one before it."""
    here = torch.arange(len(targets))
    before = here.roll(1)
    own, other = targets[here, here], targets[here, before]
    rest = targets.clone()
    rest[here, here] = rest[here, before] = 0
    assert (rest == 0).all()
    return own, other


def test_mixup_is_the_average_that_the_targets_name():
    clips = torch.randn(SHAPE)
    mixed, targets = mix(clips, LABELS, classes=6, mixup=0.8, generator=generator())
    assert mixed.shape == clips.shape and targets.shape == (5, 6) and targets.dtype == torch.float32
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(5))
    own, other = own_shares(targets)
    assert len(set(own.tolist())) == 5  # a draw for each clip
    for i in range(5):
        torch.testing.assert_close(mixed[i], own[i] * clips[i] + other[i] * clips[i - 1])


def test_cutmix_pastes_one_box_in_all_frames_and_counts_its_pixels():
    clips = torch.arange(5.0).view(5, 1, 1, 1, 1).expand(5, 3, 4, 21, 17)
    before = clips.clone()
    seen = 0
    for seed in range(20):
        mixed, targets = mix(clips, LABELS, classes=5, cutmix=1.0, generator=generator(seed))
        own, other = own_shares(targets)
        for i in range(5):
            pasted = mixed[i] != i
            assert (mixed[i][pasted] == (i - 1) % 5).all()
            assert (pasted == pasted[0, 0]).all()  # the same in every channel and frame
            rows, columns = pasted[0, 0].any(dim=1), pasted[0, 0].any(dim=0)
            assert torch.equal(pasted[0, 0], rows[:, None] & columns)  # a product of two sets of lines ...
            assert all((line.int().diff() == 1).sum() <= 1 and line.int().diff().abs().sum() <= 2
                       for line in (rows, columns))  # ... each without a gap: a box
            assert other[i].item() == pytest.approx(pasted[0, 0].float().mean().item(), abs=1e-6)
            assert own[i].item() == pytest.approx(1 - other[i].item(), abs=1e-6)
            seen += 0 < other[i] < 1
    assert seen > 80
    assert torch.equal(clips, before)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_have_the_moments_of_beta(alpha):
    """Mean 1/2, variance 1 / (4 (2 alpha + 1)); 4000 draws, five standard errors."""
    labels = torch.arange(4000)
    _, targets = mix(torch.zeros(4000, 1, 1, 1, 1), labels, classes=4000, mixup=alpha, generator=generator())
    share = targets[labels, labels].double()
    variance = 1 / (4 * (2 * alpha + 1))
    assert abs(share.mean() - 0.5) < 5 * (variance / 4000) ** 0.5
    spread = ((share - 0.5) ** 2).std() / 4000**0.5
    assert abs(((share - 0.5) ** 2).mean() - variance) < 5 * spread


def test_the_kept_area_of_cutmix_is_at_least_the_share_drawn():
    """Beta(1, 1) is uniform: uncut boxes would keep 1/2 on average; cutting at the edges leaves more of the clip.

    Per axis a box of relative side s with a uniform centre keeps s - s^2 / 4 of the frame; with s^2 = 1 - share
    uniform, the mean area is the mean of (s - s^2 / 4)^2 over s^2: 1/2 - 1/5 + 1/48 = 0.3208.
    """
    labels = torch.arange(3000)
    clips = torch.zeros(3000, 1, 1, 40, 60)
    _, targets = mix(clips, labels, classes=3000, cutmix=1.0, generator=generator())
    pasted = 1 - targets[labels, labels].double()
    assert abs(pasted.mean() - (1 / 2 - 1 / 5 + 1 / 48)) < 5 * pasted.std() / 3000**0.5


def test_the_same_generator_state_gives_the_same_clips_and_goes_on():
    clips = torch.randn(SHAPE)
    chance = generator(7)
    first, second = (mix(clips, LABELS, classes=5, mixup=0.5, cutmix=1.0, generator=chance) for _ in range(2))
    again = mix(clips, LABELS, classes=5, mixup=0.5, cutmix=1.0, generator=generator(7))
    assert torch.equal(first[0], again[0]) and torch.equal(first[1], again[1])
    assert not torch.equal(first[1], second[1])


def test_mix_tosses_a_coin_for_the_batch():
    clips = torch.randn(SHAPE)
    chance, cut = generator(), 0
    for _ in range(400):
        mixed, _ = mix(clips, LABELS, classes=5, mixup=0.5, cutmix=1.0, generator=chance)
        cut += ((mixed == clips) | (mixed == clips.roll(1, dims=0))).all().item()
    assert 150 < cut < 250  # five standard deviations about 200


def test_mix_with_one_of_the_two_is_that_one():
    clips = torch.randn(SHAPE)
    only = torch.ones(5, dtype=torch.bool)
    for seed in range(10):
        cut, _ = mix(clips, LABELS, classes=5, cutmix=1.0, generator=generator(seed))
        assert ((cut == clips) | (cut == clips.roll(1, dims=0))).all()
        mixed, targets = mix(clips, LABELS, classes=5, mixup=0.5, generator=generator(seed))
        own, other = own_shares(targets)
        average = own.view(5, 1, 1, 1, 1) * clips + other.view(5, 1, 1, 1, 1) * clips.roll(1, dims=0)
        torch.testing.assert_close(mixed, average)
        only &= own < 1
    assert only.all()


def test_mix_without_either_is_one_hot():
    clips = torch.randn(SHAPE)
    same, targets = mix(clips, LABELS.int(), classes=9, generator=generator())
    assert torch.equal(same, clips) and torch.equal(targets, F.one_hot(LABELS, 9).float())


@pytest.mark.parametrize("options", [{"mixup": 0.5}, {"cutmix": 1.0}])
def test_a_clip_alone_stays_itself(options):
    clips, labels = torch.randn(1, 3, 4, 5, 6), torch.tensor([2])
    mixed, targets = mix(clips, labels, classes=3, **options, generator=generator())
    torch.testing.assert_close(mixed, clips)
    torch.testing.assert_close(targets, torch.tensor([[0.0, 0.0, 1.0]]))


def test_equal_labels_keep_a_whole_target():
    _, targets = mix(torch.randn(SHAPE), torch.full((5,), 2), classes=4, mixup=0.3, generator=generator())
    torch.testing.assert_close(targets, F.one_hot(torch.full((5,), 2), 4).float())


CLIPS = torch.zeros(SHAPE)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"clips": CLIPS.byte()}, TypeError, "clips are torch.uint8; mixing averages pixels"),
        ({"clips": CLIPS[0]}, ValueError, r"clips are \(3, 4, 6, 7\); expected uint8 or float \(b, c, t, h, w\), c"),
        ({"clips": CLIPS.transpose(1, 2)}, ValueError, r"looks like \(t, c, h, w\) per clip: clips.transpose"),
        ({"labels": LABELS.float()}, TypeError, "labels are torch.float32; expected a tensor of whole numbers"),
        ({"labels": F.one_hot(LABELS)}, ValueError, r"labels are \(5, 5\); expected \(5,\)"),
        ({"labels": LABELS[:4]}, ValueError, r"labels are \(4,\); expected \(5,\)"),
        ({"classes": 4}, ValueError, "labels go from 0 to 4; expected 0 to 3, as classes is 4"),
        ({"labels": LABELS - 1}, ValueError, "labels go from -1 to 3"),
        ({"classes": 0}, ValueError, "classes is 0"),
        ({"mixup": -0.1}, ValueError, "mixup is -0.1; expected a number from 0"),
        ({"mixup": 0.0, "cutmix": float("nan")}, ValueError, "cutmix is nan"),
        ({"mixup": float("inf")}, ValueError, "mixup is inf; expected a number from 0, the alpha of Beta"),
        ({"generator": None}, ValueError, "generator is None; expected one on the CPU"),
        ({"generator": 7}, ValueError, "generator is 7; expected one on the CPU"),
    ],
)
def test_bad_arguments(change, error, message):
    arguments = {"clips": CLIPS, "labels": LABELS, "classes": 5, "mixup": 0.5, "generator": generator()} | change
    with pytest.raises(error, match=message):
        mix(arguments.pop("clips"), arguments.pop("labels"), **arguments)
