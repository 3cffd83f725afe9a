"""Shortcuts for inference are exact: the same logits, fewer multiply-adds, and the model itself untouched."""

import pytest
import torch
from test_peers import bench_module

from videoformer_edu.cost import count_macs
from videoformer_edu.models import TimeSformer, ViT, ViViT, timesformer_base

shortcuts = bench_module("shortcuts")
attend_from_cls, merge_linear = shortcuts.attend_from_cls, shortcuts.merge_linear
for_inference = shortcuts.for_inference

SIZE = dict(image_size=20, patch_size=4, width=24, depth=3, heads=4, classes=7)
MODELS = {
    "vit": lambda: ViT(**SIZE),
    "divided": lambda: TimeSformer(frames=3, **SIZE),
    "joint": lambda: TimeSformer(frames=3, attention="joint", **SIZE),
}


def build(name):
    model = MODELS[name]().double().eval()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.3)
    return model


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("t", "h", "w"), [(3, 20, 20), (5, 12, 28), (1, 4, 8)])
def test_the_same_logits(name, t, h, w):
    model = build(name)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    x = torch.randn(2, 3, h, w) if name == "vit" else torch.randn(2, 3, t, h, w)
    fast = for_inference(model)
    with torch.no_grad():
        want, got = model(x.double()), fast(x.double())
    torch.testing.assert_close(got, want)
    assert want.std(dim=0).min() > 1e-3  # the logits depend on the clip
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(p.requires_grad for p in model.parameters()) and not any(p.requires_grad for p in fast.parameters())


def test_two_linear_maps_in_a_row_are_one():
    first, second, x = torch.nn.Linear(5, 7).double(), torch.nn.Linear(7, 4).double(), torch.randn(3, 5).double()
    torch.testing.assert_close(merge_linear(first, second)(x), second(first(x)))


def test_one_query_gets_what_the_first_row_gets():
    attention, x = build("vit").blocks[0].attention, torch.randn(2, 3, 6, 24, dtype=torch.double)
    torch.testing.assert_close(attend_from_cls(attention, x), attention(x)[:, :, :1])


def test_what_is_saved_at_the_published_size():
    """Two projections of 1568 tokens in one, 12 times; in the last block q, proj and MLP for CLS alone."""
    with torch.device("meta"):
        model, shape = timesformer_base(), (1, 3, 8, 224, 224)
        fast = for_inference(model)
    saved = (count_macs(model, *shape) - count_macs(fast, *shape)) / 1e9
    rows = 8 * 196 * 768**2 / 1e9  # one linear map of all patches
    assert saved == pytest.approx((12 + 2 + 8) * rows, rel=0.04)
    assert saved == pytest.approx(20.8, abs=0.05)


def test_models_that_read_more_than_cls_are_refused():
    with pytest.raises(ValueError, match="got ViViT"):
        for_inference(ViViT(variant="factorised_self_attention", frames=4, tubelet_size=2, **SIZE))
    with pytest.raises(ValueError, match="space_only"):
        for_inference(TimeSformer(frames=3, attention="space_only", **SIZE))
