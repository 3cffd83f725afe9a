"""Our four ViViTs are scenic's: checkpoints that flax has written, of its own layers, give the logits flax gave.

`make_flax_reference.py` tells how the files were made.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from videoformer_edu.models import ViViT
from videoformer_edu.models.vivit import VARIANTS
from videoformer_edu.pretrained import CheckpointError, load_pretrained
from videoformer_edu.pretrained.weight_files import read_state

FOLDER = Path(__file__).parent / "flax_vivit"
SIZE = dict(frames=4, image_size=12, tubelet_size=2, patch_size=4, width=12, depth=2, temporal_depth=2, heads=2,
            classes=5, mlp_ratio=20 / 12)


@pytest.mark.parametrize("variant", VARIANTS)
def test_same_weights_same_logits(variant):
    answers = np.load(FOLDER / "answers.npz")
    video = torch.from_numpy(answers["video"]).movedim(-1, 1)  # (b, t, h, w, c) -> (b, c, t, h, w)
    model, want = ViViT(**SIZE, variant=variant).eval(), torch.from_numpy(answers[variant])
    report = load_pretrained(model, FOLDER / variant)
    assert report.loaded == len(model.state_dict()) and not report.resized
    with torch.no_grad():
        assert (model(video) - want).abs().max() / want.abs().max() < 1e-5
    assert want.std() > 0.1


def test_heads_are_told_by_the_shapes_and_have_to_agree():
    for variant in VARIANTS:
        with pytest.raises(CheckpointError, match="num_attention_heads is 2 there, 4 in this model"):
            load_pretrained(ViViT(**{**SIZE, "heads": 4}, variant=variant), FOLDER / variant / "checkpoint")


def test_another_variant_is_named():
    with pytest.raises(CheckpointError, match="check variant="):
        load_pretrained(ViViT(**SIZE), FOLDER / "factorised_encoder")


def test_a_longer_clip_has_its_table_resized():
    model = ViViT(**{**SIZE, "frames": 8}, variant="factorised_encoder")
    assert load_pretrained(model, FOLDER / "factorised_encoder").resized == ("temporal_encoder.positions.table",)


def test_names_are_those_of_scenic():
    assert {"embedding/kernel", "cls_SpatialTransformer", "TemporalTransformer/posembed_input/pos_embedding",
            "SpatialTransformer/encoderblock_1/MultiHeadDotProductAttention_0/query/kernel",
            "SpatialTransformer/encoderblock_1/MlpBlock_0/Dense_1/bias"} <= read_state(
                FOLDER / "factorised_encoder").keys()
