"""From an image model to a video model: the same features for a clip that stands still, wherever that is possible."""

import pytest
import torch
from torch import nn

from videoformer_edu.models import MViT, TimeSformer, VideoMAE, VideoSwin, ViT, ViViT
from videoformer_edu.models.vivit import VARIANTS
from videoformer_edu.pretrained.inflate import image_to_video

SIZE = dict(image_size=20, patch_size=4, width=12, depth=3, heads=3, mlp_ratio=2.5)


def image_model(seed=0, gelu="none", **changes):
    """No parameter at its starting value, so that nothing fits by being 0 or 1."""
    torch.manual_seed(seed)
    model = ViT(**{**SIZE, "classes": 5, **changes}).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    for module in model.modules():
        if isinstance(module, nn.GELU):
            module.approximate = gelu
    return model


def timesformer(attention="divided", init="published", **changes):
    torch.manual_seed(1)
    return TimeSformer(**{**SIZE, "frames": 4, "classes": 7, "attention": attention, "init": init, **changes}).double()


def vivit(variant, **changes):
    torch.manual_seed(1)
    size = {**SIZE, "frames": 6, "tubelet_size": 2, "heads": 4, "width": 16, "temporal_depth": 2, "classes": 7}
    return ViViT(**{**size, "variant": variant, "init": "from_scratch", **changes}).double()


def picture(seed=2):
    return torch.randn(2, 3, 20, 20, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def still(frames=4):
    return picture()[:, :, None].expand(-1, -1, frames, -1, -1)


# ------------------------------------------------------------------------------------ at step 0, a still clip


@pytest.mark.parametrize("init", ["published", "from_scratch"])
@pytest.mark.parametrize("attention", ["divided", "space_only"])
def test_a_still_clip_gives_the_image_models_features(attention, init):
    image, video = image_model(), timesformer(attention, init)
    assert (video.features(still()) - image.features(picture())).abs().max() > 0.1
    image_to_video(image, video)
    torch.testing.assert_close(video.features(still()), image.features(picture()))


def test_divided_is_the_image_model_on_every_frame_of_any_clip():
    """Time is silent, so patches never leave their frame; only CLS meets all frames. Blocks up to its first update."""
    image, video, clip = image_model(depth=1), timesformer(depth=1), torch.randn(2, 3, 4, 20, 20, dtype=torch.float64)
    image_to_video(image, video)
    x, grid = video.embed(clip)
    got = video.blocks[0](x, grid)[:, 1:].unflatten(1, (4, 25))
    for t in range(4):
        patches, image_grid = image.patch_embed(clip[:, :, t:t + 1])
        y = torch.cat([image.cls.expand(2, -1, -1), patches], dim=1) + image.space_positions(5, 5)
        torch.testing.assert_close(got[:, t], image.blocks[0](y, image_grid)[:, 1:])


def test_joint_is_the_image_model_for_one_frame_and_another_for_more():
    """With t copies of every patch there are t times as many keys against the one CLS."""
    image, video = image_model(), timesformer("joint")
    image_to_video(image, video)
    want = image.features(picture())
    torch.testing.assert_close(video.features(still(1)), want)
    assert (video.features(still(2)) - want).abs().max() > 0.01
    assert (video.features(still(4)) - want).abs().max() > 0.01


@pytest.mark.parametrize("tubelets", ["central_frame", "average"])
def test_vivits_spatial_encoder_is_the_image_model_in_every_step(tubelets):
    """Up to the GELU, which is ViViT's here."""
    image, video = image_model(gelu="tanh", heads=4, width=16), vivit("factorised_encoder")
    image_to_video(image, video, tubelets=tubelets)
    x, grid = video.tubelet_embed(still(6))
    steps = video.spatial_encoder(x.unflatten(1, (3, 25)), grid)  # (b, t, d)
    torch.testing.assert_close(steps, image.features(picture())[:, None].expand(-1, 3, -1))
    averaged = vivit("factorised_encoder", temporal_depth=0)
    image_to_video(image, averaged, tubelets=tubelets)
    torch.testing.assert_close(averaged.features(still(6)), image.features(picture()))


def test_vivit_model_1_is_the_image_model_for_one_step_and_another_for_more():
    image, video = image_model(gelu="tanh", heads=4, width=16), vivit("spatio_temporal", frames=2)
    image_to_video(image, video)
    torch.testing.assert_close(video.features(still(2)), image.features(picture()))
    video = vivit("spatio_temporal")
    image_to_video(image, video)
    assert (video.features(still(6)) - image.features(picture())).abs().max() > 0.01


def test_factorised_self_attention_starts_as_the_image_model_without_its_cls():
    """A silent temporal branch: every step is a ViT over its patches. Each image patch keeps the same company."""
    image, video = image_model(gelu="tanh", heads=4, width=16), vivit("factorised_self_attention")
    clip = torch.randn(2, 3, 6, 20, 20, dtype=torch.float64)
    image_to_video(image, video)
    steps = []
    for step in range(3):
        x, grid = image.patch_embed(clip[:, :, 2 * step + 1:2 * step + 2])  # of two frames, the second
        x = x + image.space_positions(5, 5)[1:]
        for block in image.blocks:
            x = block(x, grid)
        steps.append(image.norm(x).mean(1))
    torch.testing.assert_close(video.features(clip), sum(steps) / 3)


def test_positions_of_vivit_are_the_images_in_every_step():
    image, video = image_model(heads=4, width=16), vivit("spatio_temporal")
    image_to_video(image, video)
    table = video.encoder.positions.table
    assert torch.equal(table[:26], image.space_positions.table)
    assert torch.equal(table[1:26], table[26:51]) and torch.equal(table[1:26], table[51:])


def test_frames_of_another_size_get_a_resized_table():
    image, video = image_model(), timesformer(image_size=28)
    report = image_to_video(image, video)
    assert report.positions == ("space_positions.table",)
    torch.testing.assert_close(video.space_positions.table, image.space_positions(7, 7))


# ------------------------------------------------------------------------------------ it can learn from there


def test_time_is_silent_at_first_and_then_learns():
    """At step 0 only the projection has a gradient; once it has opened a little, everything behind it does."""
    video = timesformer()
    image_to_video(image_model(), video)
    clip = torch.randn(2, 3, 4, 20, 20, dtype=torch.float64)

    def gradients():
        video.zero_grad()
        video(clip).square().sum().backward()
        attention = video.blocks[1].temporal_attention.attention
        return (video.blocks[1].temporal_projection.weight.grad.abs().max(), attention.qkv.weight.grad.abs().max(),
                attention.proj.weight.grad.abs().max())

    projection, *behind = gradients()
    assert projection > 0 and behind == [0, 0]
    torch.optim.SGD(video.parameters(), lr=1e-3).step()
    assert all(g > 0 for g in gradients())


@pytest.mark.parametrize("published_zero", [False, True])
def test_a_silent_branch_of_vivit_can_learn_unless_it_is_zero_throughout(published_zero):
    video = vivit("factorised_self_attention")
    image_to_video(image_model(heads=4, width=16), video)
    attention = video.encoder.blocks[0].temporal_attention.attention
    assert attention.proj.weight.abs().max() == 0 < attention.qkv.weight.abs().max()
    if published_zero:
        torch.nn.init.zeros_(attention.qkv.weight), torch.nn.init.zeros_(attention.qkv.bias)
    for _ in range(2):  # at step 0 only the gate learns; once it has opened a little, everything behind it
        video.zero_grad()
        video(torch.randn(2, 3, 6, 20, 20, dtype=torch.float64)).square().sum().backward()
        torch.optim.SGD(video.parameters(), lr=1e-2).step()
    size = {name: p.grad.abs().sum().item() for name, p in attention.named_parameters()}
    bias = size.pop("proj.bias")
    assert bias > 0 and all((s == 0) == published_zero for s in size.values())


# ------------------------------------------------------------------------------------------------- the report


@pytest.mark.parametrize("build", [*(lambda a=a: (timesformer(a, "from_scratch"), image_model())
                                     for a in ("divided", "joint", "space_only")),
                                   *(lambda v=v: (vivit(v), image_model(heads=4, width=16)) for v in VARIANTS)],
                         ids=["divided", "joint", "space_only", *VARIANTS])
def test_the_report_tells_what_happened_to_every_tensor(build):
    video, image = build()
    before = {k: v.clone() for k, v in video.state_dict().items()}
    report = image_to_video(image, video)
    after = video.state_dict()
    assert sorted(sum(vars(report).values(), ())) == sorted(after)
    theirs = list(image.state_dict().values())
    for key in report.copied:
        same = [value for value in theirs if value.numel() == after[key].numel()]
        assert any(torch.equal(after[key].flatten(), value.flatten()) for value in same), key
    for key in report.positions:
        places = image.space_positions.table[1:]
        assert torch.equal(after[key][-25:], places)
    for key in report.inflated:
        assert torch.equal(after[key].sum(2), image.patch_embed.proj.weight)
    for key in report.zeroed:
        assert after[key].abs().max() == 0 < before[key].abs().max(), key
    for key in report.kept:
        assert torch.equal(after[key], before[key]), key
    assert {"head.weight", "head.bias"} <= set(report.kept)


def test_the_report_of_divided_attention_in_words():
    report = image_to_video(image_model(), timesformer())
    assert str(report).startswith("copied: cls, ")
    assert "; positions: space_positions.table; zeroed: time_positions.table, blocks.0.temporal_projection.weight, " \
           "blocks.0.temporal_projection.bias and 4 more; kept: head.weight, head.bias" in str(report)
    temporal = {key for key in report.copied if "temporal_attention" in key or "temporal_norm" in key}
    assert len(temporal) == 3 * (4 + 2)


# ------------------------------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(("changes", "message"), [
    (dict(width=24), r"width \(12, 24\)"), (dict(depth=2), r"depth \(3, 2\)"), (dict(heads=4), r"heads \(3, 4\)"),
    (dict(patch_size=5), r"patch_size \(4, 5\)"), (dict(channels=1), r"channels \(3, 1\)"),
    (dict(mlp_ratio=2.0), r"hidden width of the MLP \(30, 24\)"),
    (dict(depth=1, heads=2), r"depth \(3, 1\), heads \(3, 2\): \(image model, video model\)")])
def test_another_shape_is_refused_and_nothing_touched(changes, message):
    video, same = timesformer(**changes), timesformer(**changes)
    with pytest.raises(ValueError, match=message):
        image_to_video(image_model(), video)
    assert all(torch.equal(v, same.state_dict()[k]) for k, v in video.state_dict().items())


def test_heads_of_vivit_are_compared_though_every_shape_fits():
    with pytest.raises(ValueError, match=r"ViViT; nothing was copied. They differ in heads \(2, 4\)"):
        image_to_video(image_model(width=16, heads=2), vivit("factorised_encoder"))


@pytest.mark.parametrize(("video", "message"), [
    (lambda: VideoMAE(frames=4, **SIZE), "VideoMAE: its keys have no bias"),
    (lambda: VideoSwin(width=8, depths=(1,), heads=(2,)), "VideoSwin: it has windows and a pyramid; it starts from"),
    (lambda: ViT(**SIZE), "ViT: that is an image model"),
    (lambda: MViT(version=2, frames=4, image_size=16, width=8, stages=(1, 1)), "MViT: it is not built of ViT blocks")])
def test_models_without_such_a_vit_are_refused(video, message):
    with pytest.raises(ValueError, match=f"a ViT does not fit into {message}"):
        image_to_video(image_model(), video())


def test_arguments():
    with pytest.raises(ValueError, match="expected a ViT to start from, got TimeSformer"):
        image_to_video(timesformer(), timesformer())
    with pytest.raises(ValueError, match='"central_frame" or "average"'):
        image_to_video(image_model(heads=4, width=16), vivit("spatio_temporal"), tubelets="first")
    with pytest.raises(ValueError, match="expected a ViT to start from, got OrderedDict"):
        image_to_video(image_model().state_dict(), timesformer())
