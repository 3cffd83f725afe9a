"""`record_attention` works for every model that has attention, and says so of those that have none."""

import pytest
import torch

from videoformer_edu.attention import record_attention
from videoformer_edu.models.registry import BUILDERS
from videoformer_edu.models.vivit import VARIANTS
from videoformer_edu.pretrained.build import build

CNNS = ("c3d_motion", "r2plus1d_motion", "slowfast_motion", "unordered_motion")
VIDEO = [(name, {}) for name in sorted(BUILDERS) if name.endswith("_motion") and name not in CNNS
         and "pretraining" not in name and name != "vivit_motion"]
VIDEO += [("vivit_motion", {"variant": variant}) for variant in VARIANTS]
VIDEO += [("timesformer_motion", {"attention": kind}) for kind in ("joint", "space_only")]
VIDEO += [("mvit_motion", {"version": 1})]


@pytest.mark.parametrize(("name", "options"), VIDEO, ids=lambda value: str(value))
def test_maps_come_from_the_same_pass_and_lie_on_their_grids(name, options):
    model, video = build(name, **options).eval(), torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        plain = model(video)
        with record_attention(model) as maps:
            recorded = model(video)
    torch.testing.assert_close(recorded, plain, rtol=1e-5, atol=1e-5)
    assert maps
    for m in maps.values():
        dense = m.dense()  # (b, head, s, s')
        assert dense.shape[2:] == (m.grid.l + m.cls, m.key_grid.l + m.cls)
        torch.testing.assert_close(dense.sum(-1), torch.ones_like(dense.sum(-1)), rtol=0, atol=1e-5)
        last = m.looks_from(m.grid.t - 1, m.grid.h - 1, m.grid.w - 1)
        assert last.shape[2:] == tuple(m.key_grid)
        torch.testing.assert_close(last.flatten(2), dense[:, :, -1, int(m.cls):])


@pytest.mark.parametrize("name", CNNS)
def test_a_cnn_has_nothing_to_record(name):
    with pytest.raises(ValueError, match="nothing to record: a CNN has none"), record_attention(build(name)):
        pass
