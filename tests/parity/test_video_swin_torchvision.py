"""Our Video Swin is torchvision's: the same weights give the same logits, padded, shifted and clamped alike."""

import pytest
import torch
from torchvision.models import SwinTransformer
from torchvision.models.video import swin3d_t
from torchvision.models.video.swin_transformer import SwinTransformer3d

from videoformer_edu.models import VideoSwin, video_swin_tiny
from videoformer_edu.pretrained import CheckpointError, image_to_video, load_pretrained

SMALL = dict(depths=(2, 3), heads=(2, 6), window=(4, 3, 5))
ONE_STAGE = dict(depths=(3,), heads=(3,), window=(2, 4, 3))


def theirs(depths, heads, window, noise=0.15, width=24, patch=(2, 4, 4)):
    torch.manual_seed(1)
    model = SwinTransformer3d(patch_size=list(patch), embed_dim=width, depths=list(depths), num_heads=list(heads),
                              window_size=list(window), num_classes=9)
    return shaken(model, noise)


def shaken(model, noise):
    """Noise on everything; distances weigh as much as contents."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.add_(torch.randn_like(p) * (1 if name.endswith("bias_table") else noise))
    return model.eval()


def ours(state, quirks=False, width=24, **size):
    model = VideoSwin(width=width, classes=9, reference_quirks=quirks, **size).eval()
    report = load_pretrained(model, state)
    assert report.loaded == len(model.state_dict()) and not report.resized
    return model


def assert_same(a, b, tolerance=1e-5):
    assert (a - b).abs().max() / b.abs().max() < tolerance
    assert b.std() > 0.05


# Tokens of the first and the second stage stand behind each size: windows are 4 x 3 x 5.
@pytest.mark.parametrize(("t", "h", "w", "quirks"), [
    (16, 24, 48, False),  # 8 x 6 x 12, then 8 x 3 x 6: whole windows in time and height; height clamped without loss
    (11, 45, 50, False),  # pixels padded to 6 x 12 x 13; windows padded on every axis; an odd column to merge
    (6, 28, 44, False),  # 3 x 7 x 11: time is clamped, its right index is the published one
    (2, 40, 48, False),  # one step in time
    (10, 20, 56, True),  # 5 x 5 x 14, then 5 x 3 x 7
    (16, 16, 24, True),  # 8 x 4 x 6, then 8 x 2 x 3: height and width clamped below the window
    (3, 7, 9, True),  # 2 x 2 x 3: every axis is
])
def test_same_weights_same_logits(t, h, w, quirks):
    model, video = theirs(**SMALL), torch.randn(2, 3, t, h, w)
    with torch.no_grad():
        assert_same(ours(model.state_dict(), quirks, **SMALL)(video), model(video))


def test_other_heads_and_windows():
    model, video = theirs(**ONE_STAGE, width=15), torch.randn(2, 3, 10, 36, 28)
    with torch.no_grad():
        assert_same(ours(model.state_dict(), **ONE_STAGE, width=15)(video), model(video))


@pytest.mark.parametrize(("t", "h", "w", "quirks"), [(11, 45, 50, False), (16, 16, 24, True)])
def test_gradients_agree(t, h, w, quirks):
    model, video = theirs(**SMALL), torch.randn(2, 3, t, h, w)
    a, b = video.clone().requires_grad_(), video.clone().requires_grad_()
    ours(model.state_dict(), quirks, **SMALL)(a).square().sum().backward()
    model(b).square().sum().backward()
    assert (a.grad - b.grad).abs().max() / b.grad.abs().max() < 1e-4


def test_the_published_index_is_wrong_below_the_window_and_only_there():
    """In windows of 8 x 2 x 3 the published code takes a step down for a step to the right, among others."""
    model, video = theirs(**SMALL), torch.randn(2, 3, 16, 16, 24)
    right, quirky = ours(model.state_dict(), **SMALL), ours(model.state_dict(), True, **SMALL)
    with torch.no_grad():
        assert (right(video) - model(video)).abs().max() / model(video).abs().max() > 1e-2
        larger = torch.randn(2, 3, 6, 28, 44)
        torch.testing.assert_close(right(larger), quirky(larger), rtol=0, atol=0)


def official(state):
    """The names of the official checkpoints: the same tensors, stages in `layers`, the head apart."""
    names = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "features":
            number = int(parts[1])
            stage = ["layers", str(number // 2)] + (["downsample"] if number % 2 else ["blocks"])
            rest = ".".join(parts[2:]).replace("mlp.0", "mlp.fc1").replace("mlp.3", "mlp.fc2")
            key = ".".join([*stage, rest])
        names[f"cls_head.fc_cls.{parts[-1]}" if parts[0] == "head" else f"backbone.{key}"] = value
    return names


def test_official_names(tmp_path):
    model, video = theirs(**SMALL), torch.randn(2, 3, 8, 24, 40)
    state = official(model.state_dict())
    assert "backbone.layers.0.downsample.reduction.weight" in state and "cls_head.fc_cls.bias" in state
    torch.save({"state_dict": state, "meta": {}}, tmp_path / "swin.pth")
    with torch.no_grad():
        assert_same(ours(tmp_path / "swin.pth", **SMALL)(video), model(video))


@pytest.mark.parametrize("other", [dict(window=(4, 3, 4)), dict(depths=(2, 2)), dict(width=48)], ids=str)
def test_another_models_weights_are_refused(other):
    state = theirs(**SMALL).state_dict()
    with pytest.raises(CheckpointError, match="nothing was loaded"):
        load_pretrained(VideoSwin(**{**dict(width=24, classes=9), **SMALL, **other}), state)


def image_swin():
    torch.manual_seed(1)
    return shaken(SwinTransformer(patch_size=[4, 4], embed_dim=24, depths=[2, 3], num_heads=[2, 6],
                                  window_size=[3, 5], num_classes=9), 0.15)


def test_a_still_clip_gives_the_features_of_the_image_model_it_was_inflated_from():
    image, model = image_swin(), VideoSwin(width=24, classes=5, **SMALL).eval()
    picture = torch.randn(2, 3, 44, 92)  # 11 x 23 patches
    head = model.head.weight.clone()
    report = image_to_video(image.state_dict(), model)
    still = picture[:, :, None].expand(-1, -1, 16, -1, -1)  # 8 steps: two windows in time, none padded
    with torch.no_grad():
        maps = image.norm(image.features(picture)).mean((1, 2))
        assert_same(model.features(still), maps)
    assert torch.equal(model.head.weight, head)
    assert report.inflated == ("tubelet_embed.proj.weight",) and report.kept == ("head.weight", "head.bias")
    assert len(report.positions) == 5 and not report.zeroed
    assert sorted(sum(vars(report).values(), ())) == sorted(model.state_dict())


@pytest.mark.parametrize(("changes", "message"), [
    (dict(window=(4, 3, 4)), "every distance in a window of 3 x 4"), (dict(width=18), "of another shape: "),
    (dict(depths=(2, 4)), r"stages.1.blocks.3.attention.proj.bias")], ids=str)
def test_another_image_swin_is_refused_and_nothing_touched(changes, message):
    model = VideoSwin(**{**dict(width=24), **SMALL, **changes})
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        image_to_video(image_swin().state_dict(), model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.slow
def test_the_published_size():
    """4 frames at 224 pixels: 2 x 56 x 56 tokens, four stages, spatial shifts clamped away in the last."""
    torch.manual_seed(1)
    model, mine = shaken(swin3d_t(weights=None), 0.02), video_swin_tiny().eval()
    load_pretrained(mine, model.state_dict())
    video = torch.randn(1, 3, 4, 224, 224)
    with torch.no_grad():
        assert_same(mine(video), model(video))
