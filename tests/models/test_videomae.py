"""VideoMAE's own properties: positions, tube masks, what is hidden stays hidden; its parity stands in tests/parity."""

import math

import pytest
import torch
import torch.nn.functional as F

from videoformer_edu.attention import record_attention
from videoformer_edu.cost import count_macs, count_parameters
from videoformer_edu.models import (
    VideoMAE,
    VideoMAEPretraining,
    tube_mask,
    videomae_base,
    videomae_huge,
    videomae_large,
    videomae_motion,
    videomae_pretraining_base,
    videomae_pretraining_huge,
    videomae_pretraining_large,
    videomae_pretraining_motion,
    videomae_pretraining_small,
    videomae_small,
)
from videoformer_edu.models.videomae import sequence_positions
from videoformer_edu.models.videomae_pretraining import split_mask, tubelet_targets
from videoformer_edu.positions import resize_joint
from videoformer_edu.tokens import Grid

SMALL = dict(frames=6, image_size=20, tubelet_size=2, patch_size=4, width=24, depth=2, heads=4, mlp_ratio=2.5,
             init="from_scratch")
DECODER = dict(decoder_width=12, decoder_depth=2, decoder_heads=3)
GRID = Grid(3, 5, 5)


def classifier(**changes):
    torch.manual_seed(0)
    return VideoMAE(**{**SMALL, "classes": 7, **changes}).double()


def pretraining(**changes):
    torch.manual_seed(0)
    return VideoMAEPretraining(**{**SMALL, **DECODER, **changes}).double()


def video(b=2, t=6, h=20, w=20, c=3):
    return torch.randn(b, c, t, h, w, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------ positions and masks


def test_positions_are_the_transformers_table_over_the_flattened_index():
    table = sequence_positions(30, 10)
    for i in (0, 1, 7, 29):
        for k in range(5):
            angle = i / 10000 ** (2 * k / 10)
            assert table[i, 2 * k].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[i, 2 * k + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_positions_are_fixed_and_in_no_checkpoint():
    net = pretraining(init="published")
    assert torch.equal(net.encoder.positions.float(), sequence_positions(75, 24))
    assert torch.equal(net.decoder_positions.float(), sequence_positions(75, 12))
    assert not any("positions" in name for name in [*net.state_dict(), *dict(net.named_parameters())])
    ratio = classifier().encoder.positions / classifier(init="published").encoder.positions
    assert ratio[1:].nanmean().item() == pytest.approx(math.sqrt(2))


@pytest.mark.parametrize("make", [classifier, pretraining])
def test_weights_of_one_size_give_the_same_answer_whatever_size_the_model_was_built_at(make):
    """`trained_at` says what no checkpoint shows: the clips that the weights, and so the positions, were made for."""
    nets = [make(trained_at=(4, 12), **size) for size in (dict(frames=4, image_size=12), dict(frames=6, image_size=20),
                                                          dict(frames=2, image_size=28))]
    for net in nets[1:]:
        net.load_state_dict(nets[0].state_dict())
    mask = tube_mask(GRID, 0.6, batch=2, generator=torch.Generator().manual_seed(1))
    clip, arguments = video(), (mask,) if make is pretraining else ()
    first, *others = (net(clip, *arguments) for net in nets)
    assert all(torch.equal(first, other) for other in others)
    elsewhere = make()
    elsewhere.load_state_dict(nets[0].state_dict())
    assert (elsewhere(clip, *arguments) - first).abs().max() > 1e-3  # it matters
    table = resize_joint(nets[0].encoder.positions, Grid(2, 3, 3), GRID)
    seen = []
    nets[1].encoder.blocks[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    nets[1](clip, *arguments)
    tokens = nets[1].encoder.tubelet_embed(clip)[0] + table
    torch.testing.assert_close(seen[0], tokens if make is classifier else tokens[~mask].view(2, -1, 24))


@pytest.mark.parametrize("build", [videomae_motion, videomae_pretraining_motion])
def test_the_small_weights_are_for_clips_of_32_pixels(build):
    assert build(image_size=64, frames=16).encoder.table_grid == build().encoder.table_grid == Grid(4, 4, 4)


def test_published_builders_are_for_the_published_weights():
    with torch.device("meta"):
        for make in (videomae_small, videomae_base, videomae_large, videomae_huge, videomae_pretraining_base):
            encoder = make(image_size=64, frames=4, depth=1).encoder
            assert (encoder.grid, encoder.table_grid) == (Grid(2, 4, 4), Grid(8, 14, 14))


def test_published_pretraining_starts_from_xavier():
    """Each linear map reaches its bound sqrt(6 / (in + out)), the fused q, k, v as the one matrix that it is there; the
    step between the networks keeps PyTorch's default, the mask token is a normal cut at one deviation."""
    net = pretraining(init="published", width=96, decoder_width=48)
    linears = {name: module for name, module in net.named_modules() if isinstance(module, torch.nn.Linear)}
    assert len(linears) == 4 * 4 + 2
    for name, module in linears.items():
        bound = module.in_features**-0.5 if name == "to_decoder" else (6 / sum(module.weight.shape)) ** 0.5
        assert 0.98 * bound < module.weight.abs().max() <= bound
        assert module.bias is None or module.bias.abs().max() == 0
    assert 0.015 < net.mask_token.abs().max() <= 0.02


def test_tubes_hide_the_same_places_in_every_step_and_other_places_in_every_clip():
    mask = tube_mask(Grid(8, 14, 14), 0.9, batch=3, generator=torch.Generator().manual_seed(0))
    assert mask.shape == (3, 8 * 196) and mask.dtype == torch.bool
    steps = mask.unflatten(1, (8, 196))
    assert (steps == steps[:, :1]).all() and steps.sum(2).eq(176).all()  # int(0.9 * 196)
    assert (~mask).sum(1).tolist() == [160, 160, 160]
    assert not torch.equal(mask[0], mask[1])
    assert torch.equal(mask, tube_mask(Grid(8, 14, 14), 0.9, batch=3, generator=torch.Generator().manual_seed(0)))
    often = tube_mask(Grid(1, 2, 3), 0.5, batch=6000).double().mean(0)
    assert (often - 0.5).abs().max() < 0.04  # every place is as likely


def test_split_mask_keeps_the_order():
    mask = torch.tensor([[True, False, False, True, False], [False, True, True, False, False]])
    visible, hidden = split_mask(mask)
    assert visible.tolist() == [[1, 2, 4], [0, 3, 4]] and hidden.tolist() == [[0, 3], [1, 2]]


def test_targets_are_standardised_in_each_tubelet_and_channel():
    clip, std = video(c=2) * 3 + 1, torch.tensor([0.5, 0.25])
    target = tubelet_targets(clip, (2, 4, 4), std)
    assert target.shape == (2, 75, 2 * 4 * 4 * 2)
    box = clip[1, :, 2:4, 4:8, 12:16]  # step 1, row 1, column 3
    pixels = (box * std.view(2, 1, 1, 1)).flatten(1)
    want = (pixels - pixels.mean(1, keepdim=True)) / (pixels.var(1, keepdim=True).sqrt() + 1e-6)
    torch.testing.assert_close(target[1, 25 + 5 + 3], want.T.flatten())  # channel fastest


# ------------------------------------------------------------------------------------------------------- classifier


def test_logits_depend_on_each_frame_on_their_order_and_on_every_parameter():
    net, clip = classifier(), video().requires_grad_()
    net(clip).square().sum().backward()
    assert (clip.grad.abs().amax(dim=(1, 3, 4)) > 0).all()
    assert [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0] == []
    assert (net(clip) - net(clip.flip(2))).abs().max() > 1e-4


def test_a_key_bias_would_change_nothing():
    net, clip = classifier(), video()
    before = net(clip)
    attention = net.encoder.blocks[0].attention
    full = torch.nn.Linear(24, 72).double()
    with torch.no_grad():
        full.weight.copy_(attention.qkv.weight)
        full.bias.copy_(torch.cat([attention.qkv.q_bias, 5 * torch.randn(24), attention.qkv.v_bias]))
    attention.qkv = full
    torch.testing.assert_close(net(clip), before)


@pytest.mark.parametrize(("t", "h", "w"), [(2, 20, 20), (4, 4, 8), (10, 28, 12), (6, 24, 36)])
def test_any_clip_the_tubelets_divide(t, h, w):
    assert classifier()(video(t=t, h=h, w=w)).isfinite().all()
    mask = tube_mask(Grid(t // 2, h // 4, w // 4), 0.6, batch=2)
    assert pretraining().loss(video(t=t, h=h, w=w), mask).isfinite()


def test_clips_of_a_batch_do_not_mix_and_eval_is_deterministic():
    net, clip = classifier(drop_path=0.4), video(b=3)
    assert not torch.equal(net.train()(clip), net(clip))
    net.eval()
    torch.testing.assert_close(net(clip)[1], net(clip[1:2])[0])
    assert torch.equal(net(clip), net(clip))


# ------------------------------------------------------------------------------------------------------ pretraining


def test_the_encoder_never_sees_what_is_hidden():
    net, clip, mask = pretraining(), video().requires_grad_(), tube_mask(GRID, 0.6, batch=2)
    net(clip, mask).square().sum().backward()
    seen = clip.grad.unflatten(4, (5, 4)).unflatten(3, (5, 4)).unflatten(2, (3, 2)).abs().sum(dim=(1, 3, 5, 7))
    assert torch.equal(seen.flatten(1) > 0, ~mask)


def test_predictions_equal_a_plain_loop_over_the_clips():
    """Each clip alone; the visible tokens first and the hidden ones after them, as published."""
    net, clip = pretraining(), video()
    mask = tube_mask(GRID, 0.6, batch=2)
    got = net(clip, mask)
    assert got.shape == (2, 45, 2 * 4 * 4 * 3)
    for i in range(2):
        patches, grid = net.encoder.tubelet_embed(clip[i:i + 1])
        x = (patches[0] + net.encoder.positions)[~mask[i]][None]
        for block in net.encoder.blocks:
            x = block(x, grid)
        x = net.to_decoder(net.norm(x))[0] + net.decoder_positions[~mask[i]]
        x = torch.cat([x, net.mask_token[0] + net.decoder_positions[mask[i]]])[None]
        for block in net.decoder_blocks:
            x = block(x, grid)
        torch.testing.assert_close(got[i], net.head(net.decoder_norm(x[0, -45:])))
    want = torch.stack([tubelet_targets(clip, (2, 4, 4), net.pixel_std)[i, mask[i]] for i in range(2)])
    torch.testing.assert_close(net.loss(clip, mask), (got - want).square().mean())


def test_every_parameter_learns_and_the_loss_falls():
    net, clip, mask = pretraining(), video(), tube_mask(GRID, 0.6, batch=2)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = net.loss(clip, mask)
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    assert [name for name, p in net.named_parameters() if p.grad.abs().sum() == 0] == []
    assert 0.9 < losses[0] and losses[-1] < 0.8 * losses[0]  # pixels of variance 1


def test_maps_of_both_networks_have_the_clips_grid():
    net, clip = pretraining(), video(b=1)
    mask = tube_mask(GRID, 0.6)
    with record_attention(net) as maps:
        net(clip, mask)
    assert list(maps) == [f"{part}.{i}.attention" for part in ("encoder.blocks", "decoder_blocks") for i in range(2)]
    dense = maps["encoder.blocks.1.attention"].dense()
    both = ~mask[0][:, None] & ~mask[0][None]
    assert torch.equal(dense > 0, both.expand(1, 4, -1, -1))
    pattern = maps["encoder.blocks.1.attention"].pattern
    assert torch.equal(pattern.allowed(GRID), both) and pattern.pairs(GRID) == int(both.sum())
    assert maps["decoder_blocks.0.attention"].looks_from(2, 1, 3).shape == (1, 3, 3, 5, 5)
    with record_attention(net) as maps:
        net(video(), tube_mask(GRID, 0.6, batch=2))
    with pytest.raises(ValueError, match="mask of its own"):
        maps["encoder.blocks.0.attention"].dense()


# --------------------------------------------------------------------------------------------------- published sizes


@pytest.mark.parametrize(("build", "parameters", "gmacs"), [
    (videomae_small, 22_033_936, 56.9), (videomae_base, 86_534_800, 180.3), (videomae_large, 304_270_736, 596.8),
    (videomae_huge, 632_119_440, 1191.0)])
def test_published_parameters_and_costs(build, parameters, gmacs):
    with torch.device("meta"):
        model = build()
    assert count_parameters(model) == parameters
    assert round(count_macs(model, 1, 3, 16, 224, 224) / 1e9, 1) == gmacs


def test_base_within_one_per_cent_of_the_paper():
    with torch.device("meta"):
        model = videomae_base()
    assert count_macs(model, 1, 3, 16, 224, 224) / 1e9 == pytest.approx(180, rel=0.01)
    assert round(count_parameters(model) / 1e6) == 87


def test_other_sizes():
    with torch.device("meta"):
        pretrainings = [make() for make in (videomae_pretraining_small, videomae_pretraining_base,
                                            videomae_pretraining_large, videomae_pretraining_huge)]
    assert [count_parameters(net) for net in pretrainings] == [24_029_376, 94_210_944, 342_996_992, 692_487_296]
    assert [len(net.decoder_blocks) for net in pretrainings] == [4, 4, 12, 12]
    assert count_parameters(videomae_motion()) == 125_512
    assert count_parameters(videomae_pretraining_motion()) == 148_320


def test_errors():
    with pytest.raises(ValueError, match="hides 0 of the 25 patches"):
        tube_mask(GRID, 0.03)
    with pytest.raises(ValueError, match="hides 25 of the 25 patches"):
        tube_mask(GRID, 1.0)
    net = pretraining()
    with pytest.raises(ValueError, match=r"needs a mask \(2, 75\) \(b, l\), got \(2, 50\)"):
        net(video(), tube_mask(Grid(2, 5, 5), 0.6, batch=2))
    with pytest.raises(ValueError, match="expected a bool mask"):
        net(video(), tube_mask(GRID, 0.6, batch=2).long())
    uneven = tube_mask(GRID, 0.6, batch=2)
    uneven[0] |= torch.arange(75) < 40
    with pytest.raises(ValueError, match="every clip must hide as many tokens"):
        net(video(), uneven)
    with pytest.raises(ValueError, match="the batch is empty, so nothing says how many tokens are hidden"):
        net(video(b=0), tube_mask(GRID, 0.6, batch=0))
    with pytest.raises(ValueError, match="pixel_std has 3 values for 1 channels"):
        pretraining(channels=1)
    with pytest.raises(ValueError, match="tubelet_size 4 must divide frames 6"):
        classifier(tubelet_size=4)
    with pytest.raises(ValueError, match='init must be "published" or "from_scratch"'):
        classifier(init="zero")


def test_pixels_as_they_are_can_be_reconstructed():
    video = torch.randn(2, 3, 4, 8, 12)
    target = tubelet_targets(video, (2, 4, 4), None)
    for t, h, w in ((0, 0, 0), (1, 1, 2)):
        box = video[1, :, 2 * t:2 * t + 2, 4 * h:4 * h + 4, 4 * w:4 * w + 4]  # (c, 2, 4, 4)
        assert torch.equal(target[1, (t * 2 + h) * 3 + w], box.permute(1, 2, 3, 0).flatten())
    model = videomae_pretraining_motion()
    clip, mask = torch.randn(2, 3, 8, 32, 32), tube_mask(model.encoder.grid, 0.5, batch=2)
    with torch.no_grad():
        reconstruction = model(clip, mask)
        assert not model.standardised
        expected = F.mse_loss(reconstruction, tubelet_targets(clip, (2, 8, 8), None)[mask].view_as(reconstruction))
        torch.testing.assert_close(model.loss(clip, mask), expected)
