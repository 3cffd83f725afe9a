"""Loading: whole or not at all, whatever the checkpoint looks like."""

import pytest
import torch
from safetensors.torch import save_file

from videoformer_edu.models import TimeSformer, VideoMAE, VideoMAEPretraining, ViT, ViViT
from videoformer_edu.models.vivit import VARIANTS
from videoformer_edu.pretrained import CheckpointError, load_pretrained

SMALL = dict(frames=3, image_size=12, patch_size=4, width=12, depth=2, heads=3, classes=7)


def build(seed=0, **changes):
    torch.manual_seed(seed)
    return TimeSformer(**{**SMALL, "init": "from_scratch", **changes})


def same(a, b):
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


@pytest.mark.parametrize("kind", ["dict", "safetensors", "bin", "folder", "wrapped"])
def test_every_kind_of_source(kind, tmp_path):
    source, target = build(0), build(1)
    state = source.state_dict()
    place = {"dict": state, "safetensors": tmp_path / "a.safetensors", "bin": tmp_path / "a.bin",
             "folder": str(tmp_path), "wrapped": tmp_path / "a.pyth"}[kind]
    save_file(state, tmp_path / ("model.safetensors" if kind == "folder" else "a.safetensors"))
    torch.save(state, tmp_path / "a.bin")
    torch.save({"model_state": state, "epoch": 3}, tmp_path / "a.pyth")
    report = load_pretrained(target, place)
    assert same(source, target) and report.loaded == len(state)
    assert str(report) == f"{len(state)} tensors loaded"


@pytest.mark.parametrize(("changes", "message"), [
    (dict(attention="joint"), "divided attention has temporal weights"),
    (dict(depth=3), r"of its tensors are unknown to the model: [^;]*$"),
    (dict(width=24), "have another shape"),
    (dict(classes=5), "new_head=True"),
])
def test_a_foreign_checkpoint_changes_nothing(changes, message):
    target, before = build(1), build(1)
    with pytest.raises(CheckpointError, match=message):
        load_pretrained(target, build(0, **changes).state_dict())
    assert same(target, before)


def test_a_wholly_foreign_checkpoint_is_said_to_be_one_and_no_classes_are_blamed():
    state = {f"layers.{i}.w": torch.zeros(i) for i in range(3)}
    with pytest.raises(CheckpointError, match="not one of its names is known here") as caught:
        load_pretrained(build(1), state)
    assert "classes" not in str(caught.value) and len(caught.value.missing) == len(build().state_dict())


VIDEOMAE = dict(frames=4, image_size=8, patch_size=4, width=12, depth=2, heads=3)


def test_pretraining_and_fine_tuned_weights_name_the_way_to_each_other():
    pretraining = VideoMAEPretraining(**VIDEOMAE, decoder_width=8, decoder_depth=1, decoder_heads=2)
    tuned = VideoMAE(**VIDEOMAE, classes=7)
    with pytest.raises(CheckpointError, match=r"into a VideoMAEPretraining, then model.encoder.load_state_dict"):
        load_pretrained(tuned, pretraining.state_dict())
    with pytest.raises(CheckpointError, match="it is fine-tuned .* load it into a VideoMAE$"):
        load_pretrained(pretraining, tuned.state_dict())


def test_another_variant_of_vivit_is_named():
    size = dict(frames=4, image_size=8, patch_size=4, width=12, depth=2, heads=2, temporal_depth=1)
    for variant in VARIANTS[1:]:
        with pytest.raises(CheckpointError, match="check variant="):
            load_pretrained(ViViT(**size), ViViT(**size, variant=variant).state_dict())


def test_a_missing_tensor_is_named():
    state = build(0).state_dict()
    del state["blocks.1.mlp.0.weight"]
    with pytest.raises(CheckpointError, match="1 tensors of the model are not in it: blocks.1.mlp.0.weight"):
        load_pretrained(build(1), state)


def test_new_head_keeps_the_models_own_classifier():
    source, target = build(0, classes=5), build(1)
    head = target.head.weight.clone()
    report = load_pretrained(target, source.state_dict(), new_head=True)
    assert torch.equal(target.head.weight, head) and report.kept == ("head.weight", "head.bias")
    assert torch.equal(target.cls, source.cls)


def test_tables_of_another_size_are_resized_and_reported():
    source, target = build(0, frames=6, image_size=20), build(1)
    report = load_pretrained(target, source.state_dict())
    assert set(report.resized) == {"space_positions.table", "time_positions.table"}
    torch.testing.assert_close(target.time_positions.table, source.time_positions(3))
    torch.testing.assert_close(target.space_positions.table, source.space_positions(3, 3))
    assert "resized: space_positions.table, time_positions.table" in str(report)


def test_a_video_checkpoint_is_not_an_image_model():
    image = ViT(image_size=12, patch_size=4, width=12, depth=2, heads=3, classes=7)
    with pytest.raises(CheckpointError, match="does not belong to this ViT"):
        load_pretrained(image, build().state_dict())
