"""ViT's own properties; its equality with timm stands in tests/parity."""

import pytest
import torch

from videoformer_edu.models import ViT, vit_digits

SMALL = dict(image_size=20, patch_size=4, width=12, depth=2, heads=3, classes=7, init="from_scratch")


def test_shapes_and_every_parameter_learns():
    net = ViT(**SMALL)
    net(torch.randn(2, 3, 20, 20)).square().sum().backward()
    assert net(torch.randn(2, 3, 20, 20)).shape == (2, 7)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


def test_without_positions_the_order_of_patches_is_invisible():
    net = ViT(**SMALL).double()
    image = torch.randn(1, 3, 20, 20, dtype=torch.float64)
    patches = image.unfold(2, 4, 4).unfold(3, 4, 4).reshape(1, 3, 25, 4, 4)[:, :, torch.randperm(25)]
    shuffled = patches.reshape(1, 3, 5, 5, 4, 4).permute(0, 1, 2, 4, 3, 5).reshape(1, 3, 20, 20)
    assert (net(image) - net(shuffled)).abs().max() > 1e-3
    with torch.no_grad():
        net.space_positions.table.zero_()
    torch.testing.assert_close(net(image), net(shuffled))


@pytest.mark.parametrize("size", [(4, 4), (8, 20), (40, 28)])
def test_other_sizes_are_accepted_and_finite(size):
    assert ViT(**SMALL)(torch.randn(2, 3, *size)).isfinite().all()


def test_errors():
    with pytest.raises(ValueError, match="patch_size 6 must divide image_size 20; try image_size=18"):
        ViT(**{**SMALL, "patch_size": 6})
    with pytest.raises(ValueError, match="init must be"):
        ViT(**{**SMALL, "init": "zeros"})
    with pytest.raises(ValueError, match=r"expected images \(b, c, h, w\)"):
        ViT(**SMALL)(torch.randn(3, 20, 20))
    with pytest.raises(TypeError):
        ViT(20)  # keyword only


def test_the_small_model_is_small():
    assert 50_000 < sum(p.numel() for p in vit_digits().parameters()) < 250_000
