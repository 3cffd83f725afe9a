"""TimeSformer's own properties; its equality with the published models stands in tests/parity."""

import pytest
import torch

from videoformer_edu.data.motion import motion_batch
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import TimeSformer, ViT, timesformer_motion
from videoformer_edu.positions import sincos_patches

SMALL = dict(frames=5, image_size=12, patch_size=4, width=12, depth=2, heads=3, classes=7)
ATTENTIONS = ("divided", "joint", "space_only")


def build(attention, init="from_scratch", **changes):
    torch.manual_seed(0)
    return TimeSformer(**{**SMALL, "attention": attention, "init": init, **changes}).double()


def video(b=2, t=5, h=12, w=12):
    return torch.randn(b, 3, t, h, w, dtype=torch.float64)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_logits_depend_on_the_video_and_every_parameter_learns(attention):
    """The course text's block kept CLS away from the patches: constant logits, a gradient of exactly zero."""
    net, clip = build(attention), video().requires_grad_()
    logits = net(clip)
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert (clip.grad.abs().amax(dim=(1, 3, 4)) > 0).all(), "a frame of a clip does not reach the logits"
    silent = [name for name, p in net.named_parameters() if p.grad is None or p.grad.abs().sum() == 0]
    assert silent == []
    assert (net(video()) - net(video())).abs().max() > 1e-3


def test_the_gate_is_closed_at_the_start_and_can_open():
    """Zero in the last projection alone: the branch adds nothing at step 0, but its gate gets a gradient at once."""
    net = build("divided", init="published")
    for block in net.blocks:
        assert block.temporal_projection.weight.count_nonzero() == 0 == block.temporal_projection.bias.count_nonzero()
        assert block.temporal_attention.attention.qkv.weight.count_nonzero() > 0
    net(video()).square().sum().backward()
    assert all(block.temporal_projection.weight.grad.abs().sum() > 0 for block in net.blocks)


def test_at_step_0_a_static_clip_gives_the_image_models_features():
    net = build("divided", init="published")
    image = ViT(**{k: v for k, v in SMALL.items() if k != "frames"}, init="published").double()
    mapping = {"attention_norm": "spatial_norm", "attention.": "spatial_attention.attention."}
    state = net.state_dict()
    for name, value in image.state_dict().items():
        for old, new in mapping.items():
            name = name.replace(f".{old}", f".{new}")
        state[name] = value
    net.load_state_dict(state)
    still = torch.randn(2, 3, 12, 12, dtype=torch.float64)
    torch.testing.assert_close(net.features(still[:, :, None].expand(-1, -1, 5, -1, -1)), image.features(still))


def test_space_only_sees_frames_as_a_set_and_divided_does_not():
    clip = video()
    for attention, blind in (("space_only", True), ("divided", False), ("joint", False)):
        net = build(attention)
        difference = (net(clip) - net(clip.flip(2))).abs().max()
        assert (difference < 1e-12) == blind, (attention, difference)


def test_one_frame_divided_space_equals_space_only_under_the_same_weights():
    divided, space = build("divided", init="published"), build("space_only", init="published")
    state = {name.replace("spatial_attention.attention", "attention").replace("spatial_norm", "attention_norm"): value
             for name, value in divided.state_dict().items() if "temporal" not in name and "time_" not in name}
    space.load_state_dict(state)
    clip = video(t=1)
    torch.testing.assert_close(divided(clip), space(clip))


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize(("t", "h", "w"), [(1, 12, 12), (3, 4, 8), (9, 20, 12), (5, 28, 36)])
def test_any_clip_the_patch_divides(attention, t, h, w):
    assert build(attention)(video(t=t, h=h, w=w)).isfinite().all()


def test_clips_of_another_length_resize_the_time_table_linearly():
    net = build("divided")
    table = torch.nn.functional.interpolate(net.time_positions.table.T[None], size=8, mode="linear")[0].T
    longer = build("divided", frames=8)
    longer.load_state_dict({**net.state_dict(), "time_positions.table": table})
    clip = video(t=8)
    torch.testing.assert_close(net(clip), longer(clip), rtol=1e-6, atol=1e-6)


def test_clips_of_a_batch_do_not_mix():
    net, clip = build("divided"), video(b=3)
    torch.testing.assert_close(net(clip)[1], net(clip[1:2])[0])


def test_drop_path_only_acts_while_training_and_rises_linearly():
    net = build("divided", drop_path=0.4, depth=3)
    assert [b.drop_path.p for b in net.blocks] == [0.0, 0.2, 0.4]
    clip = video()
    assert not torch.equal(net.train()(clip), net(clip))
    assert torch.equal(net.eval()(clip), net(clip))


def test_errors():
    with pytest.raises(ValueError, match="attention must be one of divided, joint, space_only; got 'full'"):
        build("full")
    with pytest.raises(ValueError, match="height is 10"):
        build("divided")(video(h=10))
    with pytest.raises(ValueError, match="3 channels on axis 1"):
        build("divided")(video().transpose(1, 2))


def test_the_small_model_has_the_recorded_size():
    assert sum(p.numel() for p in timesformer_motion().parameters()) == 123_464
    assert sum(p.numel() for p in timesformer_motion(attention="joint").parameters()) == 81_608


def test_from_scratch_what_and_where_and_when_can_all_be_seen():
    model = timesformer_motion()
    clips = normalise(motion_batch(6, seed=0).clips, MOTION_PIXELS)
    what, where, when = model.patch_embed(clips)[0], model.space_positions.table[1:], model.time_positions.table
    sizes = [x.pow(2).mean().sqrt().item() for x in (what, where, when)]
    assert 0.8 < sizes[0] < 1.2 and sizes[1:] == pytest.approx([1.0, 2.0])
    assert torch.equal(where, sincos_patches(4, 4, 64))
    joint = timesformer_motion(attention="joint")
    assert torch.equal(joint.space_positions.table[1:], 1.5 * where)
    assert torch.equal(joint.time_positions.table, 0.75 * when)
    published = timesformer_motion(init="published")
    assert published.space_positions.table.std() < 0.03 and published.time_positions.table.abs().max() == 0
