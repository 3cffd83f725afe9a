"""Every builder stands in the registry, with the clip and the pixels that its weights were made for."""

import inspect

import numpy as np
import pytest
import torch
from torch import nn

from videoformer_edu import models
from videoformer_edu.data.pixels import MOTION_PIXELS, normalise
from videoformer_edu.models import tube_mask
from videoformer_edu.models.registry import BUILDERS, builder

OF_THE_COURSE = {name for name in BUILDERS if name.endswith(("_motion", "_display"))} | {"vit_digits"}


def builders() -> set[str]:
    """Functions of `models` that say they return a model."""
    functions = {name: getattr(models, name) for name in models.__all__ if inspect.isfunction(getattr(models, name))}
    returned = {name: f.__globals__.get(inspect.signature(f).return_annotation) for name, f in functions.items()}
    return {name for name, model in returned.items() if inspect.isclass(model) and issubclass(model, nn.Module)}


def test_all_builders_and_nothing_else():
    assert {"vit_digits", "timesformer_hr", "vivit_motion", "videomae_pretraining_base"} <= builders()
    assert set(BUILDERS) == builders()
    assert all(entry.build is getattr(models, name) for name, entry in BUILDERS.items())


@pytest.mark.parametrize("name", BUILDERS)
def test_it_builds_and_takes_its_clip(name):
    entry = BUILDERS[name]
    with torch.device("meta"):
        model, clip = entry.build().eval(), torch.empty(1, *entry.clip)
    assert len(entry.clip) == (3 if entry.task == "image" else 4)
    if entry.task == "pretraining":
        mask = tube_mask(model.encoder.grid, 0.9)
        pixels = entry.clip[0] * torch.tensor(model.tubelet).prod()
        assert model(clip, mask).shape == (1, mask.sum(), pixels)
    else:
        assert entry.task in ("image", "video")
        assert model(clip).shape == (1, model.head.out_features)


@pytest.mark.parametrize("name", BUILDERS)
def test_pixels_are_one_number_per_channel_and_the_course_has_its_own(name):
    entry = BUILDERS[name]
    assert len(entry.pixels.mean) == len(entry.pixels.std) == entry.clip[0]
    grey = torch.full((entry.clip[0], 1, 1, 2), 128, dtype=torch.uint8)
    own = torch.equal(normalise(grey, entry.pixels), normalise(grey, MOTION_PIXELS))
    assert own == (name in OF_THE_COURSE)


def published(*names: str) -> dict[str, tuple[float, float, float]]:
    """Black pixels, as the models get them."""
    black = torch.zeros(3, 1, 1, 1, dtype=torch.uint8)
    return {name: tuple(normalise(black, builder(name).pixels).flatten().tolist()) for name in names}


def test_published_pixels():
    for values in published("vivit_base", "vivit_large", "vit_base_patch16_224").values():
        assert values == (-1, -1, -1)
    for values in published("timesformer_base", "mvit_v2_s", "slowfast_r50_8x8").values():
        assert values == pytest.approx((-2, -2, -2))
    for values in published("videomae_base", "video_swin_tiny", "video_swin_large", "mvit_v2_l").values():
        assert values == pytest.approx((-2.1179, -2.0357, -1.8044), abs=1e-4)
    assert published("c3d")["c3d"] == pytest.approx((-104, -117, -128))


def test_an_unknown_name_is_told_its_neighbours():
    with pytest.raises(ValueError, match="there is no builder 'timesformer_bas'; did you mean timesformer_base"):
        builder("timesformer_bas")


SMALL = {name: {} for name in OF_THE_COURSE}
SMALL |= {"c3d": dict(frames=16, image_size=32, width=2, hidden=6), "r2plus1d_18": dict(width=4, depths=(1, 1)),
          "two_pathway_base": dict(slow_width=24, slow_heads=3, fast_width=12, depth=1, fuse_every=1, image_size=32)}


@pytest.mark.parametrize("name", [name for name in sorted(SMALL) if BUILDERS[name].task != "pretraining"])
def test_an_empty_batch_gives_no_logits(name):
    """As a data loader may hand out at the end of a part; each model says so with a shape, not with an error."""
    entry = BUILDERS[name]
    model = entry.build(**SMALL[name], classes=5).eval()
    size = SMALL[name].get("image_size", entry.clip[-1])
    assert model(torch.randn(0, *entry.clip[:-2], size, size)).shape == (0, 5)


@pytest.mark.parametrize("changes", [dict(attention=kind) for kind in ("joint", "space_only")], ids=str)
def test_an_empty_batch_in_every_attention_of_timesformer(changes):
    assert models.timesformer_motion(**changes).eval()(torch.randn(0, 3, 8, 32, 32)).shape == (0, 8)


@pytest.mark.parametrize("variant", models.vivit.VARIANTS)
def test_an_empty_batch_in_every_variant_of_vivit(variant):
    assert models.vivit_motion(variant=variant).eval()(torch.randn(0, 3, 8, 32, 32)).shape == (0, 8)


@pytest.mark.parametrize("name", BUILDERS)
def test_an_array_is_told_that_it_is_no_tensor(name):
    entry = BUILDERS[name]
    with torch.device("meta"):
        model = entry.build()
    arguments = (None,) if entry.task == "pretraining" else ()
    with pytest.raises(TypeError, match=r"as a torch.Tensor, got numpy.ndarray; torch.from_numpy makes one"):
        model(np.zeros((1, *entry.clip), dtype=np.float32), *arguments)
