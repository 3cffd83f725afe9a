"""Our TimeSformer is the published one: Hugging Face's port, official key names, the official frame mean.

Hugging Face's port and the official code give identical logits for divided and joint attention. For `space_only` the
port leaves out the frame mean; the test puts it where the official code has it, before the last norm.
"""

import re

import pytest
import torch
from einops import rearrange
from transformers import TimesformerConfig, TimesformerForVideoClassification

from videoformer_edu.models import TimeSformer
from videoformer_edu.pretrained import load_pretrained

HF_NAME = {"divided": "divided_space_time", "joint": "joint_space_time", "space_only": "space_only"}
SIZES = [dict(frames=3, image_size=20, patch_size=4, width=24, depth=3, heads=4),
         dict(frames=5, image_size=32, patch_size=16, width=36, depth=2, heads=6),
         dict(frames=7, image_size=24, patch_size=8, width=30, depth=2, heads=2)]


def theirs(attention, size):
    torch.manual_seed(1)
    config = TimesformerConfig(
        image_size=size["image_size"], patch_size=size["patch_size"], num_frames=size["frames"],
        hidden_size=size["width"], num_hidden_layers=size["depth"], num_attention_heads=size["heads"],
        intermediate_size=4 * size["width"], attention_type=HF_NAME[attention], num_labels=9)
    model = TimesformerForVideoClassification(config).eval()
    with torch.no_grad():
        for p in model.parameters():  # tables and the temporal gate must not be zero
            p.add_(torch.randn_like(p) * 0.1)
    return model


def their_logits(model, video, attention):
    pixels = video.transpose(1, 2)  # (b, t, c, h, w)
    if attention != "space_only":
        return model(pixels).logits
    body = model.timesformer
    frames = body.encoder(body.embeddings(pixels))[0]  # (b*t, 1 + n, d)
    mean = rearrange(frames, "(b t) n d -> b t n d", b=len(video)).mean(1)
    return model.classifier(body.layernorm(mean)[:, 0])


def ours(attention, size, state):
    model = TimeSformer(**size, classes=9, attention=attention).eval()
    load_pretrained(model, state)
    return model


def assert_same(a, b):
    assert (a - b).abs().max() / b.abs().max() < 1e-5
    assert b.std() > 0.05


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("attention", HF_NAME)
def test_same_weights_same_logits(attention, size):
    model = theirs(attention, size)
    video = torch.randn(2, 3, size["frames"], size["image_size"], size["image_size"])
    with torch.no_grad():
        assert_same(ours(attention, size, model.state_dict())(video), their_logits(model, video, attention))


OFFICIAL = [  # Hugging Face -> official, as their conversion script pairs them
    (r"^timesformer\.encoder\.layer\.(\d+)\.", r"blocks.\1."),
    (r"temporal_attention\.attention\.qkv", "temporal_attn.qkv"),
    (r"temporal_attention\.output\.dense", "temporal_attn.proj"),
    (r"temporal_layernorm", "temporal_norm1"), (r"temporal_dense", "temporal_fc"),
    (r"\.attention\.attention\.qkv", ".attn.qkv"), (r"\.attention\.output\.dense", ".attn.proj"),
    (r"layernorm_before", "norm1"), (r"layernorm_after", "norm2"),
    (r"intermediate\.dense", "mlp.fc1"), (r"(blocks\.\d+)\.output\.dense", r"\1.mlp.fc2"),
    (r"^timesformer\.embeddings\.patch_embeddings\.projection", "patch_embed.proj"),
    (r"^timesformer\.embeddings\.cls_token", "cls_token"),
    (r"^timesformer\.embeddings\.position_embeddings", "pos_embed"),
    (r"^timesformer\.embeddings\.time_embeddings", "time_embed"),
    (r"^timesformer\.layernorm", "norm"), (r"^classifier", "head"),
]


def official(state):
    out = {}
    for key, value in state.items():
        for pattern, replacement in OFFICIAL:
            key = re.sub(pattern, replacement, key)
        out[f"model.{key}"] = value
    return out


@pytest.mark.parametrize("attention", HF_NAME)
def test_official_key_names_load_too(attention, tmp_path):
    size = SIZES[0]
    state = official(theirs(attention, size).state_dict())
    assert "model.blocks.2.attn.qkv.weight" in state and not any("timesformer" in key for key in state)
    torch.save({"model_state": state}, tmp_path / "TimeSformer.pyth")
    video = torch.randn(2, 3, 3, 20, 20)
    with torch.no_grad():
        assert_same(ours(attention, size, tmp_path / "TimeSformer.pyth")(video),
                    their_logits(theirs(attention, size), video, attention))


def test_gradients_agree():
    model = theirs("divided", SIZES[0])
    mine = ours("divided", SIZES[0], model.state_dict())
    videos = [torch.randn(2, 3, 3, 20, 20).requires_grad_()]
    videos.append(videos[0].detach().clone().requires_grad_())
    mine(videos[0]).square().sum().backward()
    model(videos[1].transpose(1, 2)).logits.square().sum().backward()
    a, b = videos[0].grad, videos[1].grad
    assert (a - b).abs().max() / b.abs().max() < 1e-4


@pytest.mark.slow
def test_the_published_size():
    size = dict(frames=8, image_size=224, patch_size=16, width=768, depth=12, heads=12)
    torch.manual_seed(1)
    model = TimesformerForVideoClassification(TimesformerConfig(num_labels=9)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.02)
    video = torch.randn(1, 3, 8, 224, 224)
    with torch.no_grad():
        assert_same(ours("divided", size, model.state_dict())(video), model(video.transpose(1, 2)).logits)
