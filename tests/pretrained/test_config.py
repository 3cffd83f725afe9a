"""What a config.json says and what the model is have to agree, wherever the shapes of the tensors cannot tell."""

import json

import pytest
import torch
from transformers import TimesformerConfig, VideoMAEConfig, VivitConfig

from videoformer_edu.models import MViT, TimeSformer, VideoMAE, VideoMAEPretraining, ViViT
from videoformer_edu.pretrained import CheckpointError, load_pretrained
from videoformer_edu.pretrained.config import CONFIGS, disagreements

BLOCKS = dict(hidden_size=12, num_hidden_layers=2, num_attention_heads=3, intermediate_size=48)
PATCHES = dict(image_size=16, patch_size=8, num_frames=6)
MODEL = dict(frames=6, image_size=16, patch_size=8, width=12, depth=2, heads=3)
DECODER = dict(decoder_hidden_size=20, decoder_num_hidden_layers=1, decoder_num_attention_heads=5,
               decoder_intermediate_size=80)
EPS = dict(eps=1e-12, last_eps=1e-5)  # the port's
PAIRS = {
    "timesformer": (lambda **c: TimesformerConfig(**{**BLOCKS, **PATCHES, **c}),
                    lambda **c: TimeSformer(**{**MODEL, **c})),
    "vivit": (lambda **c: VivitConfig(**{**BLOCKS, "image_size": 16, "tubelet_size": [2, 8, 8], "num_frames": 6, **c}),
              lambda **c: ViViT(**{**MODEL, **c})),
    "videomae": (lambda **c: VideoMAEConfig(**{**BLOCKS, **PATCHES, **c}),
                 lambda **c: VideoMAE(**{**MODEL, **EPS, **c})),
    "pretraining": (lambda **c: VideoMAEConfig(**{**BLOCKS, **PATCHES, **DECODER, "use_mean_pooling": False, **c}),
                    lambda **c: VideoMAEPretraining(**{**MODEL, **EPS, "decoder_width": 20, "decoder_depth": 1,
                                                       "decoder_heads": 5, **c})),
}


def folder(path, model, config):
    torch.save(model.state_dict(), path / "pytorch_model.bin")
    config.save_pretrained(path)
    return path


@pytest.mark.parametrize("kind", PAIRS)
def test_the_ports_own_config_of_the_same_model_agrees_in_every_entry(kind, tmp_path):
    config, build = PAIRS[kind]
    model = build()
    assert load_pretrained(build(), folder(tmp_path, model, config())).loaded == len(model.state_dict())
    stated = json.loads((tmp_path / "config.json").read_text())
    assert CONFIGS[type(model)](model).keys() <= stated.keys()  # nothing is compared with what is never stated


@pytest.mark.parametrize(("kind", "config", "model", "message"), [
    ("timesformer", dict(num_attention_heads=6), {}, "num_attention_heads is 6 there, 3 in this model"),
    ("timesformer", {}, dict(heads=2), "num_attention_heads is 3 there, 2 in this model"),
    ("timesformer", dict(hidden_act="relu"), {}, "hidden_act is relu there, gelu in this model"),
    ("timesformer", dict(attention_type="space_only"), dict(attention="joint"), "attention_type is space_only there, "),
    ("timesformer", dict(layer_norm_eps=1e-5, num_attention_heads=1), {},
     "num_attention_heads is 1 there, 3 in this model; layer_norm_eps is 1e-05 there, 1e-06 in this model"),
    ("vivit", dict(hidden_act="gelu"), {}, "hidden_act is gelu there, gelu_fast in this model"),
    ("vivit", dict(tubelet_size=[3, 8, 8]), {}, r"tubelet_size is \[3, 8, 8\] there, \(2, 8, 8\) in this model"),
    ("videomae", {}, dict(eps=1e-6), "layer_norm_eps is 1e-12 there, 1e-06 in this model"),
    ("videomae", dict(num_frames=8), {}, "num_frames is 8 there, 6 in this model"),
    ("videomae", {}, dict(image_size=32), "image_size is 16 there, 32 in this model"),
    ("videomae", dict(use_mean_pooling=False), {}, "use_mean_pooling is False there, True in this model"),
    ("pretraining", dict(decoder_num_attention_heads=4), {}, "decoder_num_attention_heads is 4 there, 5 in this model"),
    ("pretraining", {}, dict(standardised=False), "norm_pix_loss is True there, False in this model"),
])
def test_what_no_shape_tells_is_refused_with_both_values(kind, config, model, message, tmp_path):
    stated, build = PAIRS[kind]
    source, target = build(**model), build(**model)
    before = {key: value.clone() for key, value in target.state_dict().items()}
    with pytest.raises(CheckpointError, match=f"nothing was loaded: {message}"):
        load_pretrained(target, folder(tmp_path, source, stated(**config)))
    assert all(torch.equal(value, before[key]) for key, value in target.state_dict().items())


@pytest.mark.parametrize("spelling", ["gelu_new", "gelu_pytorch_tanh", "gelu_fast"])
def test_three_spellings_of_the_tanh_gelu(spelling):
    config, build = PAIRS["vivit"]
    assert disagreements(build(), config(hidden_act=spelling).to_dict()) == []


def test_learned_tables_are_resized_whatever_the_config_says(tmp_path):
    config, build = PAIRS["timesformer"]
    report = load_pretrained(build(frames=3), folder(tmp_path, build(), config()))
    assert report.resized == ("time_positions.table",)


def test_another_kind_of_model_and_configs_that_say_nothing(tmp_path):
    config, build = PAIRS["vivit"]
    assert disagreements(PAIRS["timesformer"][1](), config().to_dict()) == [
        "model_type is vivit there, timesformer in this model"]
    assert disagreements(build(), {"model_type": "vivit"}) == []
    assert disagreements(build(), {"architecture": "vit_base_patch16_224"}) == []  # timm's
    model = MViT(version=2, frames=4, image_size=16, width=8, stages=(1, 1))
    assert disagreements(model, {"model_type": "mvit", "hidden_size": 3}) == []
