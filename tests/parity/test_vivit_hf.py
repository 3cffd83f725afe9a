"""Our ViViT model 1 is Hugging Face's: the same weights in either spelling give the same logits."""

import pytest
import torch
from transformers import VivitConfig, VivitForVideoClassification

from videoformer_edu.models import ViViT, vivit_base
from videoformer_edu.pretrained import CheckpointError, load_pretrained
from videoformer_edu.pretrained.weight_files import read_state

SIZES = [dict(frames=6, image_size=20, tubelet_size=2, patch_size=4, width=24, depth=3, heads=4),
         dict(frames=4, image_size=32, tubelet_size=4, patch_size=16, width=36, depth=2, heads=6),
         dict(frames=9, image_size=24, tubelet_size=3, patch_size=8, width=30, depth=2, heads=2)]


def theirs(size, noise=0.1):
    torch.manual_seed(1)
    config = VivitConfig(
        image_size=size["image_size"], num_frames=size["frames"], hidden_size=size["width"],
        tubelet_size=[size["tubelet_size"], size["patch_size"], size["patch_size"]], num_labels=9,
        num_hidden_layers=size["depth"], num_attention_heads=size["heads"], intermediate_size=4 * size["width"])
    model = VivitForVideoClassification(config).eval()
    with torch.no_grad():
        for p in model.parameters():  # a fresh port has CLS and all positions at zero
            p.add_(torch.randn_like(p) * noise)
    return model


def ours(size, source):
    model = ViViT(**size, classes=9).eval()
    report = load_pretrained(model, source)
    assert report.loaded == len(model.state_dict()) and not report.resized
    return model


def clip(size, b=2):
    return torch.randn(b, 3, size["frames"], size["image_size"], size["image_size"])


def assert_same(a, b, tolerance=1e-5):
    assert (a - b).abs().max() / b.abs().max() < tolerance
    assert b.std() > 0.05


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_same_weights_same_logits(size):
    model, video = theirs(size), clip(size)
    with torch.no_grad():
        assert_same(ours(size, model.state_dict())(video), model(video.transpose(1, 2)).logits)


def test_the_older_key_names_that_the_port_still_saves(tmp_path):
    size, model = SIZES[0], theirs(SIZES[0])
    model.save_pretrained(tmp_path)
    saved = read_state(tmp_path)
    assert "vivit.encoder.layer.2.attention.attention.query.weight" in saved
    assert "vivit.layers.2.attention.q_proj.weight" in model.state_dict()
    video = clip(size)
    with torch.no_grad():
        assert_same(ours(size, tmp_path)(video), model(video.transpose(1, 2)).logits)


def test_gradients_agree():
    size, model = SIZES[0], theirs(SIZES[0])
    mine, video = ours(size, model.state_dict()), clip(size)
    a, b = video.clone().requires_grad_(), video.clone().requires_grad_()
    mine(a).square().sum().backward()
    model(b.transpose(1, 2)).logits.square().sum().backward()
    assert (a.grad - b.grad).abs().max() / b.grad.abs().max() < 1e-4


def test_a_table_of_another_length_or_size_is_resized_and_never_guessed():
    state = theirs(SIZES[0]).state_dict()  # 3 steps of 5 x 5
    for change, grid in (({"frames": 10}, (5, 5, 5)), ({"image_size": 28}, (3, 7, 7))):
        model = ViViT(**{**SIZES[0], **change}, classes=9)
        assert load_pretrained(model, state).resized == ("encoder.positions.table",)
        source = ours(SIZES[0], state)
        want = source.encoder.positions(type(source.encoder.positions.grid)(*grid))
        torch.testing.assert_close(model.encoder.positions.table, want)
    both = ViViT(**{**SIZES[0], "frames": 8, "image_size": 28}, classes=9)
    with pytest.raises(CheckpointError, match="has 75 rows, which fits neither another number of steps"):
        load_pretrained(both, state)
    state = theirs({**SIZES[0], "frames": 8, "image_size": 24}).state_dict()  # 4 of 6 x 6, or 16 of 3 x 3, or ...
    with pytest.raises(CheckpointError, match="has 144 rows, which may come from another number of steps"):
        load_pretrained(ViViT(**{**SIZES[0], "frames": 8, "image_size": 12}, classes=9), state)


def test_other_variants_refuse_model_1():
    state = theirs(SIZES[0]).state_dict()
    for variant in ("factorised_encoder", "factorised_self_attention", "factorised_dot_product"):
        with pytest.raises(CheckpointError, match="nothing was loaded"):
            load_pretrained(ViViT(**SIZES[0], variant=variant, classes=9), state)


def test_the_port_cannot_take_another_image_size_and_ours_can():
    size, model = SIZES[0], theirs(SIZES[0])
    larger = torch.randn(1, 3, 6, 28, 28)
    with pytest.raises(RuntimeError, match="size of tensor"):
        model(larger.transpose(1, 2), interpolate_pos_encoding=True)
    assert ours(size, model.state_dict())(larger).isfinite().all()


@pytest.mark.slow
def test_the_published_size():
    size = dict(frames=4, image_size=224, tubelet_size=2, patch_size=16, width=768, depth=12, heads=12)
    model, mine, video = theirs(size, noise=0.02), vivit_base(frames=4, classes=9).eval(), clip(size, b=1)
    load_pretrained(mine, model.state_dict())
    with torch.no_grad():
        assert_same(mine(video), model(video.transpose(1, 2)).logits)
