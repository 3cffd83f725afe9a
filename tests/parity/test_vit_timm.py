"""Our ViT is timm's ViT: the same weights give the same logits."""

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

from videoformer_edu.models import ViT, vit_base_patch16_224, vit_tiny_patch16_224
from videoformer_edu.pretrained import load_pretrained


def randomise(model, seed=0):
    """Every tensor gets noise, so that no table stays at zero and no bias hides."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn(p.shape, generator=generator) * 0.05)
    return model.eval()


def assert_same(ours, theirs):
    assert (ours - theirs).abs().max() / theirs.abs().max() < 1e-5
    assert theirs.std() > 0.1  # logits that say something


@pytest.mark.parametrize(("size", "patch", "width", "depth", "heads"), [(20, 4, 24, 3, 4), (48, 16, 36, 2, 3)])
def test_small_sizes(size, patch, width, depth, heads):
    theirs = randomise(VisionTransformer(img_size=size, patch_size=patch, embed_dim=width, depth=depth,
                                         num_heads=heads, num_classes=7))
    ours = ViT(image_size=size, patch_size=patch, width=width, depth=depth, heads=heads, classes=7).eval()
    report = load_pretrained(ours, theirs.state_dict())
    assert report.loaded == len(theirs.state_dict()) and not report.resized
    image = torch.randn(2, 3, size, size)
    assert_same(ours(image), theirs(image))


@pytest.mark.parametrize(("name", "build"), [
    ("vit_tiny_patch16_224", vit_tiny_patch16_224),
    pytest.param("vit_base_patch16_224", vit_base_patch16_224, marks=pytest.mark.slow)])
def test_published_sizes(name, build):
    theirs, ours = randomise(timm.create_model(name, pretrained=False)), build().eval()
    load_pretrained(ours, theirs.state_dict())
    image = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        assert_same(ours(image), theirs(image))
