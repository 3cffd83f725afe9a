"""Models by name, with weights and without."""

import pytest
import torch

from videoformer_edu import models
from videoformer_edu.pretrained import CheckpointError, build, load_pretrained

SMALL = dict(image_size=16, patch_size=4, width=12, depth=2, heads=3, classes=7)


def test_weights_from_a_place(tmp_path):
    source = models.timesformer_base(frames=3, **SMALL)
    torch.save(source.state_dict(), tmp_path / "a.pth")
    target = build("timesformer_base", pretrained=tmp_path / "a.pth", frames=3, **SMALL)
    assert all(torch.equal(v, target.state_dict()[k]) for k, v in source.state_dict().items())
    other = build("timesformer_base", pretrained=tmp_path / "a.pth", new_head=True, frames=3, **{**SMALL, "classes": 2})
    assert other.head.out_features == 2 and torch.equal(other.cls, source.cls)


def test_an_unknown_name():
    with pytest.raises(ValueError, match="did you mean timesformer_base"):
        build("timesformer_bas")


def test_the_error_lists_every_name():
    model = models.vit_base_patch16_224(**SMALL)
    state = {key: value for key, value in model.state_dict().items() if "mlp" not in key} | {"foreign": torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        load_pretrained(model, state)
    assert caught.value.missing == tuple(sorted(key for key in model.state_dict() if "mlp" in key))
    assert len(caught.value.missing) > 8 and caught.value.unexpected == ("foreign",)
