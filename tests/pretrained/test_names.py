"""Names of other codes -> ours: what each of their writers would save loads whole, every number in its place."""

import pytest
import torch

from videoformer_edu.models import C3D, SlowFast, slowfast_r50_8x8
from videoformer_edu.pretrained import CheckpointError, load_pretrained


def shaken(model):
    """Every tensor another, the statistics of the batch norms as well."""
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + 0.1)
        else:
            value.fill_(7)
    return model


def assert_loads(source, target, state, tmp_path, wrapper):
    torch.save({wrapper: state}, tmp_path / "theirs.pth")
    report = load_pretrained(target, tmp_path / "theirs.pth")
    assert report.loaded == len(source.state_dict()) and not report.resized and not report.kept
    assert all(torch.equal(value, target.state_dict()[key]) for key, value in source.state_dict().items())


# ---------------------------------------------------------------------------------- SlowFast of facebookresearch


def write_slowfast(model):
    """Module by module, as slowfast/models names what it builds: stem_helper, resnet_helper, FuseFastToSlow."""
    state = {}

    def conv_and_norm(pair, conv, norm):
        for name, module in ((conv, pair[0]), (norm, pair[1])):
            state.update({f"{name}.{key}": value for key, value in module.state_dict().items()})

    for pathway, (stem, stages) in enumerate([(model.slow_stem, model.slow_stages),
                                              (model.fast_stem, model.fast_stages)]):
        conv_and_norm(stem[0], f"s1.pathway{pathway}_stem.conv", f"s1.pathway{pathway}_stem.bn")
        for number, stage in enumerate(stages, start=2):
            for i, block in enumerate(stage):
                place = f"s{number}.pathway{pathway}_res{i}"
                if len(block.shortcut.state_dict()):
                    conv_and_norm(block.shortcut, f"{place}.branch1", f"{place}.branch1_bn")
                for letter, part in zip("abc", block.body, strict=True):
                    conv_and_norm(part, f"{place}.branch2.{letter}", f"{place}.branch2.{letter}_bn")
    for number, lateral in enumerate(model.laterals, start=1):
        conv_and_norm(lateral, f"s{number}_fuse.conv_f2s", f"s{number}_fuse.bn")
    state.update({f"head.projection.{key}": value for key, value in model.head.state_dict().items()})
    return state


def test_slowfast_of_its_own_repository(tmp_path):
    size = dict(width=8, alpha=4, beta=4, fusion_kernel=5, depths=(1, 2, 3, 1), classes=5)
    source, target = shaken(SlowFast(**size)), SlowFast(**size)
    state = write_slowfast(source)
    assert {"s3.pathway1_res1.branch2.b_bn.running_var", "s4_fuse.bn.weight"} <= state.keys()
    assert_loads(source, target, state, tmp_path, "model_state")
    clip = torch.randn(2, 3, 8, 32, 32)
    with torch.no_grad():
        assert torch.equal(source.eval()(clip), target.eval()(clip))


def test_the_published_slowfast_has_these_names():
    with torch.device("meta"):
        model = slowfast_r50_8x8()
    shapes = {key: tuple(value.shape) for key, value in write_slowfast(model).items()}
    assert shapes["s1.pathway1_stem.conv.weight"] == (8, 3, 5, 7, 7)
    assert shapes["s1_fuse.conv_f2s.weight"] == (16, 8, 7, 1, 1)
    assert shapes["s5.pathway0_res0.branch1.weight"] == (2048, 1280, 1, 1, 1)
    assert shapes["s4.pathway0_res5.branch2.a.weight"] == (256, 1024, 3, 1, 1)
    assert shapes["head.projection.weight"] == (400, 2304)
    assert len(shapes) == len(model.state_dict())


# ------------------------------------------------------------------------------------------------- C3D of mmaction


def write_c3d(model):
    layers = {"1": "a", "2": "a", "3": "ab", "4": "ab", "5": "ab"}
    modules = {f"backbone.conv{group}{letter}.conv": getattr(model.convolutions, f"conv{group}{letter}")
               for group, letters in layers.items() for letter in letters}
    modules |= {"backbone.fc6": model.fc6, "backbone.fc7": model.fc7, "cls_head.fc_cls": model.head}
    return {f"{name}.{key}": value for name, module in modules.items() for key, value in module.state_dict().items()}


def test_c3d_of_mmaction(tmp_path):
    size = dict(frames=16, image_size=32, width=4, hidden=12, classes=5)
    source, target = shaken(C3D(**size)), C3D(**size)
    assert_loads(source, target, write_c3d(source), tmp_path, "state_dict")


@pytest.mark.parametrize("write", [write_c3d, lambda model: {key: value[..., :1] for key, value in
                                                             write_c3d(model).items()}], ids=["c3d", "cut"])
def test_another_c3d_is_refused(write):
    with pytest.raises(CheckpointError, match="have another shape"):
        load_pretrained(C3D(width=4, hidden=12, classes=5), write(C3D(width=4, hidden=16, classes=5)))
