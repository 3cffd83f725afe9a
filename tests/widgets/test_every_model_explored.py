"""Every map that is recorded can be explored: as many labels as maps, the right names and grids, for every model."""

import numpy as np
import pytest
import torch
from reading import decode, explorer_of
from torch import nn

from videoformer_edu.attention import record_attention
from videoformer_edu.attention.core import Attention
from videoformer_edu.models.registry import BUILDERS
from videoformer_edu.widgets import attention_explorer, maps_for_explorer
from videoformer_edu.widgets.labels import labels

BLOCKS = range(2)
# What each small model does, in the order of its forward pass. A map: label, queries' grid, keys' grid.
JOINT = [(f"block {i} · joint", (4, 4, 4), (4, 4, 4)) for i in BLOCKS]
EXPECTED = {
    "vit_digits": [(f"block {i}", (1, 8, 8), (1, 8, 8)) for i in range(3)],
    "timesformer_motion": [(f"block {i} · {kind}", (8, 4, 4), (8, 4, 4)) for i in BLOCKS for kind in ("time", "space")],
    "timesformer_motion joint": [(f"block {i} · joint", (8, 4, 4), (8, 4, 4)) for i in BLOCKS],
    "timesformer_motion space_only": [(f"block {i} · space", (8, 4, 4), (8, 4, 4)) for i in BLOCKS],
    "vivit_motion spatio_temporal": JOINT,
    "vivit_motion factorised_encoder": [(f"spatial encoder · block {i} · space", (4, 4, 4), (4, 4, 4)) for i in BLOCKS]
    + [(f"temporal encoder · block {i} · time", (4, 1, 1), (4, 1, 1)) for i in BLOCKS],
    "vivit_motion factorised_self_attention": [(f"block {i} · {kind}", (4, 4, 4), (4, 4, 4)) for i in BLOCKS
                                               for kind in ("space", "time")],
    "vivit_motion factorised_dot_product": [(f"block {i} · {kind}", (4, 4, 4), (4, 4, 4)) for i in BLOCKS
                                            for kind in ("time", "space")],
    "video_swin_motion": [(f"stage {s} · block {i} · {kind}", (4, side, side), (4, side, side))
                          for s, side in ((0, 8), (1, 4)) for i, kind in ((0, "windows"), (1, "shifted windows"))],
    "mvit_motion": [("block 0 · pooled", (4, 8, 8), (4, 2, 2)), ("block 1 · pooled", (4, 4, 4), (4, 4, 4)),
                    ("block 2 · pooled", (4, 2, 2), (4, 4, 4)), ("block 3 · pooled", (4, 2, 2), (4, 2, 2))],
    "videomae_motion": [(f"block {i} · joint", (4, 4, 4), (4, 4, 4)) for i in range(3)],
    "two_pathway_motion": [(f"{name} {i} · {kind}", (t, 4, 4), (k, 4, 4)) for i in BLOCKS for name, kind, t, k in (
        ("slow · block", "joint", 2, 2), ("fast · block", "joint", 4, 4), ("fusion", "cross-attention", 2, 4))],
    "probe_motion": [(f"block {i}", (1, 4, 4), (1, 4, 4)) for i in BLOCKS],  # of its image model; the probe keeps none
    "sparse_motion": [(f"block {i} · sparse: space + local time + strided time", (4, 4, 4), (4, 4, 4)) for i in BLOCKS],
}
OPTION = {"timesformer_motion": "attention", "vivit_motion": "variant"}


def build(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A small model by "builder" or "builder option", and the clip it takes."""
    name, _, option = name.partition(" ")
    torch.manual_seed(3)
    return BUILDERS[name].build(**{OPTION[name]: option} if option else {}).eval(), BUILDERS[name].clip


def recorded(model: nn.Module, clip: torch.Tensor):
    with torch.no_grad(), record_attention(model) as maps:
        model(clip)
    return maps


def test_all_small_builders_with_attention_are_here():
    small = {name for name, one in BUILDERS.items() if name.endswith(("_motion", "_digits"))
             and one.task != "pretraining" and any(isinstance(m, Attention) for m in one.build().modules())}
    assert small - {"vivit_motion"} == {name for name in EXPECTED if " " not in name}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_recorded_map_is_shown_under_its_name_on_its_grids(name):
    model, clip = build(name)
    maps = recorded(model, torch.randn(2, *clip))
    shown = maps_for_explorer(maps, b=1)
    assert len(shown) == len(maps) == len(EXPECTED[name])
    assert [(label, tuple(m.grid), tuple(m.keys)) for label, m in shown.items()] == EXPECTED[name]
    for m, one in zip(maps.values(), shown.values(), strict=True):
        t, h, w = (size - 1 for size in m.grid)
        torch.testing.assert_close(one.shares[:, -1], m.looks_from(t, h, w)[1])
        total = one.shares.sum((2, 3, 4))
        assert one.cls == m.cls and (total < 1 + 1e-4).all() and (one.cls or (total > 1 - 1e-4).all())


@pytest.mark.parametrize("name", EXPECTED)
def test_its_explorer_holds_them_all(name):
    model, clip = build(name)
    maps = maps_for_explorer(recorded(model, torch.randn(1, *clip)))
    frames = np.zeros((clip[1] if len(clip) == 4 else 1, 32, 32, 3), np.uint8)  # all of the clip, tubelets or not
    _, root, config = explorer_of(attention_explorer(frames, maps, title=f"{name}?", alt="black frames").html)
    assert [(m["label"], tuple(m["grid"]), tuple(m["keys"])) for m in config["maps"]] == EXPECTED[name]
    read = decode(root, config)
    for label, one in maps.items():
        assert len(read[label]) == len(one.shares)
        head = len(one.shares) - 1
        rows = one.shares[head].flatten(1)  # (q, l)
        assert len(read[label][head]) == len(rows)
        for query in (0, len(rows) // 2, len(rows) - 1):
            shares, cls = read[label][head][query]
            bound = rows[query].max().item() / 510 + 2e-5
            assert np.abs(np.array(shares) - rows[query].numpy()).max() <= bound
            assert abs(cls - (1 - rows[query].sum().item())) < 2e-5


def test_pretraining_shows_what_the_encoder_saw():
    """Hidden patches look at nothing; the decoder's patches look at all."""
    builder = BUILDERS["videomae_pretraining_motion"]
    mask = torch.zeros(1, 4, 4, 4, dtype=torch.bool)
    mask[:, :, 1:] = True
    model = builder.build().eval()
    with torch.no_grad(), record_attention(model) as maps:
        model(torch.randn(1, *builder.clip), mask.flatten(1))
    shown = maps_for_explorer(maps)
    assert list(shown) == [*(f"encoder · block {i} · visible" for i in range(3)), "decoder block 0 · joint"]
    for label, one in shown.items():
        looks = one.shares.sum((0, 2, 3, 4)) > 0  # (q,)
        assert torch.equal(looks, ~mask.flatten() if "visible" in label else torch.ones(64, dtype=torch.bool))


PUBLISHED = [name for name, one in BUILDERS.items() if not name.endswith(("_motion", "_digits"))
             and one.task != "pretraining"]


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes_have_as_many_names_as_maps(name):
    """Shapes alone, on the device that holds no numbers."""
    with torch.device("meta"):
        model = BUILDERS[name].build().eval()
        if not any(isinstance(m, Attention) for m in model.modules()):
            return
        maps = recorded(model, torch.empty(1, *BUILDERS[name].clip))
    found = labels(list(maps.values()))
    assert len(set(found)) == len(maps) > 0
    assert not any("(" in label for label in found), "a name that needed the module's path to be unique"
