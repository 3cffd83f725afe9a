"""Sprites, photographs and how one is drawn over the other."""

import socket

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits

from videoformer_edu.data.motion import rendering
from videoformer_edu.data.motion.digits import digit_sprites
from videoformer_edu.data.motion.photographs import CROPS, PHOTOGRAPHS, photograph_crops, read_photograph
from videoformer_edu.data.motion.rendering import draw_opacity, render


def test_sprites_are_all_of_the_digits_set_once():
    train, test = digit_sprites("train"), digit_sprites("test")
    assert (len(train.mask), len(test.mask)) == (1347, 450)
    rows = torch.cat([train.source, test.source])
    assert sorted(rows.tolist()) == list(range(1797))  # disjoint, and none is missing
    target = torch.from_numpy(load_digits().target)
    for split in (train, test):
        assert torch.equal(split.digit, target[split.source])
        assert split.digit.unique().tolist() == list(range(10))


def test_a_sprite_is_ink_on_clear_paper():
    mask = digit_sprites("train").mask
    assert mask.shape == (1347, 28, 28)
    assert mask.min() == 0 and mask.max() <= 1
    assert mask.amax(dim=(1, 2)).min() > 0.9  # every digit has solid strokes
    border = torch.cat([mask[:, :2].flatten(), mask[:, -2:].flatten(), mask[..., :2].flatten()])
    assert border.abs().max() == 0


def test_a_sprite_keeps_the_shape_of_the_handwriting():
    sprites = digit_sprites("test")
    original = torch.from_numpy(load_digits().images).float()[sprites.source]
    again = F.adaptive_avg_pool2d(sprites.mask[:, None, 2:26, 2:26], 8).squeeze(1)
    both = torch.stack([original.flatten(1), again.flatten(1)], dim=1)  # (n, 2, 64)
    correlation = torch.stack([torch.corrcoef(pair)[0, 1] for pair in both])
    assert correlation.min() > 0.85


def test_photographs_need_no_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("a photograph asked for the network")

    monkeypatch.setattr(socket, "socket", refuse)
    for package, path in PHOTOGRAPHS:
        photograph = read_photograph(package, path)
        assert photograph.dtype == torch.uint8 and photograph.shape[0] == 3
        assert min(photograph.shape[1:]) >= 300
        assert photograph.float().std() > 20  # a picture, not a blank


@pytest.mark.parametrize("size", [32, 20])
def test_crops_have_the_size_asked_for(size):
    crops = photograph_crops("train", size)
    assert crops.shape == (CROPS, 3, size, size) and crops.dtype == torch.uint8


def test_train_and_test_backgrounds_come_from_different_halves(monkeypatch):
    """Photographs black above and white below: no train crop sees the lower half, no test crop the upper."""
    from videoformer_edu.data.motion import photographs

    def black_above_white(package, path):
        picture = torch.zeros(3, 101, 140, dtype=torch.uint8)
        picture[:, 50:] = 255
        return picture

    monkeypatch.setattr(photographs, "read_photograph", black_above_white)
    assert photograph_crops.__wrapped__("train", 12).max() == 0
    assert photograph_crops.__wrapped__("test", 12).min() == 255


@pytest.mark.parametrize("torus", [False, True])
def test_opacity_equals_a_general_bilinear_sampler(torus):
    """Independent oracle: `grid_sample` with the sampling grid written out."""
    batch, frames, size = 3, 2, 19
    mask = digit_sprites("train").mask[:batch]
    position = torch.rand(batch, frames, 2) * size
    width = 6 + 5 * torch.rand(batch, frames)
    drawn = draw_opacity(mask, position, width, size, torus=torus)

    pixel = torch.arange(size) + 0.5
    for b in range(batch):
        for t in range(frames):
            offset = pixel[None, :] - position[b, t, :, None]  # (2, size), x then y
            if torus:
                offset = (offset + size / 2) % size - size / 2
            x, y = offset / (width[b, t] / 2)
            grid = torch.stack([x[None, :].expand(size, size), y[:, None].expand(size, size)], dim=-1)
            expected = F.grid_sample(mask[None, b, None], grid[None], padding_mode="zeros", align_corners=False)
            torch.testing.assert_close(drawn[b, t], expected[0, 0], atol=2e-5, rtol=0)


def test_a_sprite_that_leaves_a_torus_enters_on_the_other_side():
    mask = digit_sprites("train").mask[:1]
    width = torch.full((1, 1), 12.0)
    middle = draw_opacity(mask, torch.tensor([[[16.0, 16.0]]]), width, 32, torus=True)
    corner = draw_opacity(mask, torch.tensor([[[0.0, 0.0]]]), width, 32, torus=True)
    torch.testing.assert_close(corner, middle.roll((-16, -16), dims=(2, 3)), atol=1e-5, rtol=0)
    cut = draw_opacity(mask, torch.tensor([[[0.0, 0.0]]]), width, 32, torus=False)
    assert cut[0, 0, :8, :8].sum() > 0 and cut[0, 0, 16:].sum() == 0 and cut[0, 0, :, 16:].sum() == 0


def test_background_is_static_and_noise_is_grey_and_fresh():
    """A sprite of width 1e-6 at a pixel corner draws nothing: only background and noise are left."""
    frames = 6
    position = torch.zeros(40, frames, 2)
    width = torch.full((40, frames), 1e-6)
    clips, digit = render(
        position, width, split="train", size=16, torus=False, generator=torch.Generator().manual_seed(0)
    )
    assert clips.shape == (40, 3, frames, 16, 16) and clips.dtype == torch.uint8 and digit.shape == (40,)
    values = clips.float() / 255
    assert values.mean(dim=(1, 2, 3, 4)).max() < 0.45  # darkened
    bright = values.amin(dim=(1, 2)) > 0.1  # (b, h, w): where the noise is never cut off at 0
    noise = values - values.mean(dim=2, keepdim=True)
    red, green = noise[:, 0].transpose(0, 1)[:, bright], noise[:, 1].transpose(0, 1)[:, bright]  # (t, pixels)
    expected = 0.02 * (1 - 1 / frames) ** 0.5  # the mean over frames was taken out
    assert abs(red.std().item() - expected) < 0.001
    assert (red - green).abs().max() < 2.1 / 255  # the same noise in all channels, up to whole grey levels
    assert abs(torch.corrcoef(red)[0, 1:].mean() + 1 / (frames - 1)) < 0.02  # fresh in every frame


def test_noise_alone_tells_frames_of_a_resting_sprite_apart(monkeypatch):
    monkeypatch.setattr(rendering, "NOISE", 0.0)
    position, width = torch.full((2, 5, 2), 9.0), torch.full((2, 5), 11.0)
    clips, _ = render(
        position, width, split="test", size=24, torus=True, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(clips, clips[:, :, :1].expand_as(clips))
