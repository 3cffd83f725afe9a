"""The closed form of MViT's bill is what is counted in the real modules, block by block and in all."""

import pytest
import torch

from videoformer_edu.attention import record_attention
from videoformer_edu.cost import count_macs
from videoformer_edu.cost.multiscale import mvit_bill, outside
from videoformer_edu.models import MViT, mvit_motion, mvit_v1_b, mvit_v2_s

SMALL = dict(frames=6, image_size=32, width=12, heads=2, stages=(1, 2, 1), kv_stride=(1, 4, 4), mlp_ratio=2.5)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("size", [SMALL, SMALL | dict(frames=4, image_size=48, stages=(2, 1), width=20, heads=1),
                                  SMALL | dict(q_stride=(2, 2, 2), kv_stride=(2, 4, 4), frames=16)], ids=str)
def test_the_bill_is_what_is_counted(version, size):
    model = MViT(version=version, classes=9, **size)
    bill = mvit_bill(version=version, **size)
    rest = outside(frames=size["frames"], image_size=size["image_size"], width=size["width"],
                   stages=len(size["stages"]), classes=9)
    shape = (1, 3, size["frames"], size["image_size"], size["image_size"])
    assert sum(block.macs for block in bill) + rest == count_macs(model, *shape)
    with torch.no_grad(), record_attention(model) as maps:
        model(torch.randn(shape))
    assert [(one.queries, one.keys, one.heads) for one in bill] == [
        (m.grid, m.key_grid, m.probabilities.shape[2]) for m in maps.values()]
    assert [one.pairs for one in bill] == [m.probabilities[0, 0, 0].numel() for m in maps.values()]


@pytest.mark.parametrize(("make", "version", "published"), [(mvit_v1_b, 1, 70.5e9), (mvit_v2_s, 2, 64.5e9)])
def test_the_published_sizes(make, version, published):
    total = sum(block.macs for block in mvit_bill(version=version)) + outside()
    with torch.device("meta"):
        assert total == count_macs(make(), 1, 3, 16, 224, 224)
    assert total == pytest.approx(published, rel=0.01)


def test_another_size_has_another_bill():
    total = sum(block.macs for block in mvit_bill(version=2, frames=8, image_size=32, width=32, stages=(1, 1, 2),
                                                  kv_stride=(1, 4, 4), mlp_ratio=2.0))
    assert total + outside(frames=8, image_size=32, width=32, stages=3, classes=8) == count_macs(
        mvit_motion(), 1, 3, 8, 32, 32)
