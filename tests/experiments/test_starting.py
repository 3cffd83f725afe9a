"""What training starts with: fresh weights, an image model's, a pretrained encoder's, or the whole of another run."""

import pytest
import torch

from experiments.experiment import Experiment, Material
from experiments.starting import first_model, fresh_model
from videoformer_edu.positions import sincos_time

IMAGE = Experiment("image", "", "vit_digits", ("images",), dict(patch_size=8, depth=2), Material("digits"))
DIVIDED = dict(attention="divided")


def state_of(experiment):
    torch.manual_seed(11)
    return fresh_model(experiment).state_dict()


def test_the_seed_decides_the_weights():
    experiment = Experiment("fresh", "", "timesformer_motion", ("data",), DIVIDED)
    (first, nothing), (again, _), (other, _) = (first_model(experiment, seed, None) for seed in (1, 1, 2))
    assert nothing == []
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize("attention", ["divided", "joint"])
def test_an_image_model_is_inflated_and_time_gets_its_sines(attention):
    experiment = Experiment("inflated", "", "timesformer_motion", ("inflation",), dict(attention=attention),
                            start=IMAGE, prepare=("sincos_time",))
    state = state_of(IMAGE)
    model, _ = first_model(experiment, 0, state)
    assert torch.equal(model.patch_embed.proj.weight, state["patch_embed.proj.weight"])
    block = model.blocks[1]
    own = block.spatial_attention.attention if attention == "divided" else block.attention
    assert torch.equal(own.qkv.weight, state["blocks.1.attention.qkv.weight"])
    torch.testing.assert_close(model.time_positions.table.detach(), sincos_time(8, 64))


def test_of_a_pretrained_videomae_the_encoder_is_kept():
    pretraining = Experiment("painting", "", "videomae_pretraining_motion", ("pretraining",),
                             material=Material(hidden=0.75))
    experiment = Experiment("tuned", "", "videomae_motion", ("pretraining",), start=pretraining)
    state = state_of(pretraining)
    model, _ = first_model(experiment, 0, state)
    own = model.encoder.state_dict()
    assert own.keys() == {key.removeprefix("encoder.") for key in state if key.startswith("encoder.")}
    assert all(torch.equal(value, state[f"encoder.{key}"]) for key, value in own.items())


def test_a_model_of_the_same_kind_hands_over_everything():
    earlier = Experiment("earlier", "", "c3d_motion", ("data",))
    state = state_of(earlier)
    model, _ = first_model(Experiment("later", "", "c3d_motion", ("data",), start=earlier), 0, state)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
