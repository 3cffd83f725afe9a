"""Our VideoMAE is Hugging Face's: fine-tuned logits, pretraining predictions and loss under the same mask."""

import re

import pytest
import torch
from transformers import VideoMAEConfig, VideoMAEForPreTraining, VideoMAEForVideoClassification

from videoformer_edu.models import VideoMAE, VideoMAEPretraining, tube_mask, videomae_base
from videoformer_edu.pretrained import CheckpointError, load_pretrained
from videoformer_edu.pretrained.weight_files import read_state
from videoformer_edu.tokens import Grid

SIZES = [dict(frames=6, image_size=20, tubelet_size=2, patch_size=4, width=24, depth=3, heads=4),
         dict(frames=4, image_size=32, tubelet_size=4, patch_size=8, width=36, depth=2, heads=6),
         dict(frames=9, image_size=24, tubelet_size=3, patch_size=8, width=30, depth=2, heads=2)]
DECODER = dict(decoder_width=18, decoder_depth=2, decoder_heads=3)
EPS = dict(eps=1e-12, last_eps=1e-5)  # the port's


def theirs(kind, size, noise=0.1, **options):
    torch.manual_seed(1)
    model = kind(VideoMAEConfig(
        image_size=size["image_size"], num_frames=size["frames"], tubelet_size=size["tubelet_size"],
        patch_size=size["patch_size"], hidden_size=size["width"], num_hidden_layers=size["depth"],
        num_attention_heads=size["heads"], intermediate_size=4 * size["width"], num_labels=9, decoder_hidden_size=18,
        decoder_num_hidden_layers=2, decoder_num_attention_heads=3, decoder_intermediate_size=72, **options)).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * noise)
    return model


def classifier(size, source, **changes):
    model = VideoMAE(**{**size, **EPS, **changes}, classes=9).eval()
    assert load_pretrained(model, source).loaded == len(model.state_dict())
    return model


def pretraining(size, source, **changes):
    model = VideoMAEPretraining(**{**size, **DECODER, **EPS, **changes}).eval()
    assert load_pretrained(model, source).loaded == len(model.state_dict())
    return model


def clip(size, b=2):
    return torch.randn(b, 3, size["frames"], size["image_size"], size["image_size"])


def grid(size):
    side = size["image_size"] // size["patch_size"]
    return Grid(size["frames"] // size["tubelet_size"], side, side)


def assert_same(a, b, tolerance=1e-5):
    assert (a - b).abs().max() / b.abs().max() < tolerance
    assert b.std() > 0.05


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_same_weights_same_logits(size):
    model, video = theirs(VideoMAEForVideoClassification, size), clip(size)
    with torch.no_grad():
        assert_same(classifier(size, model.state_dict())(video), model(video.transpose(1, 2)).logits)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", ["tube", "random"])
def test_same_mask_same_predictions_and_same_loss(size, kind):
    model, video = theirs(VideoMAEForPreTraining, size, use_mean_pooling=False), clip(size) * 0.7 + 0.2
    mask = tube_mask(grid(size), 0.7, batch=2)
    if kind == "random":
        mask = torch.rand(mask.shape).argsort(1) < grid(size).l * 2 // 3
    mine = pretraining(size, model.state_dict())
    with torch.no_grad():
        want = model(video.transpose(1, 2), bool_masked_pos=mask)
        assert_same(mine(video, mask), want.logits)
        torch.testing.assert_close(mine.loss(video, mask), want.loss, rtol=1e-5, atol=0)


def test_flat_tubelets_are_targets_of_the_same_size():
    """Where a tubelet hardly varies, the 1e-6 beside its deviation decides: on pixels from 0 to 1, as published."""
    size = SIZES[0]
    model, video = theirs(VideoMAEForPreTraining, size, use_mean_pooling=False).double(), clip(size).double() * 1e-5
    mask = tube_mask(grid(size), 0.7, batch=2)
    mine = pretraining(size, model.state_dict()).double()
    with torch.no_grad():
        want = model(video.transpose(1, 2), bool_masked_pos=mask).loss
        torch.testing.assert_close(mine.loss(video, mask), want, rtol=1e-6, atol=0)
        mine.pixel_std.fill_(1.0)  # as if the network's own input were standardised
        assert abs(mine.loss(video, mask) - want) / want > 0.01


@pytest.mark.parametrize("kind", [VideoMAEForVideoClassification, VideoMAEForPreTraining])
def test_both_spellings_of_the_port(kind, tmp_path):
    size = SIZES[0]
    model = theirs(kind, size, use_mean_pooling=kind is VideoMAEForVideoClassification)
    model.save_pretrained(tmp_path)
    saved, live = read_state(tmp_path), model.state_dict()
    assert "videomae.encoder.layer.0.attention.attention.q_bias" in saved
    assert "videomae.encoder.layer.0.attention.attention.query.bias" in live
    build = classifier if kind is VideoMAEForVideoClassification else pretraining
    for (name, a), b in zip(build(size, live).state_dict().items(), build(size, tmp_path).state_dict().values(),
                            strict=True):
        assert torch.equal(a, b), name


OFFICIAL = [  # Hugging Face -> official
    (r"videomae\.embeddings\.patch_embeddings\.projection", r"{encoder}patch_embed.proj"),
    (r"videomae\.encoder\.layer", r"{encoder}blocks"), (r"decoder\.decoder_layers", "decoder.blocks"),
    (r"attention\.attention\.query\.bias", "attn.q_bias"), (r"attention\.attention\.value\.bias", "attn.v_bias"),
    (r"attention\.output\.dense", "attn.proj"), (r"intermediate\.dense", "mlp.fc1"), (r"output\.dense", "mlp.fc2"),
    (r"layernorm_before", "norm1"), (r"layernorm_after", "norm2"), (r"videomae\.layernorm", "encoder.norm"),
    (r"classifier", "head"),
]


@pytest.mark.parametrize("kind", [VideoMAEForVideoClassification, VideoMAEForPreTraining])
def test_official_key_names(kind, tmp_path):
    size, tuned = SIZES[0], kind is VideoMAEForVideoClassification
    state = dict(theirs(kind, size, use_mean_pooling=tuned).state_dict())
    build, official = classifier if tuned else pretraining, {}
    want = build(size, dict(state)).state_dict()
    for key in [key for key in state if key.endswith("query.weight")]:
        names = [key.replace("query", name) for name in ("query", "key", "value")]
        state[key.replace("attention.attention.query", "attn.qkv")] = torch.cat([state.pop(name) for name in names])
    for key, value in state.items():
        for pattern, replacement in OFFICIAL:
            key = re.sub(pattern, replacement.format(encoder="" if tuned else "encoder."), key)
        official[key] = value
    assert ("blocks.2.attn.q_bias" if tuned else "encoder.blocks.2.attn.q_bias") in official
    torch.save({"model": official}, tmp_path / "checkpoint.pth")
    got = build(size, tmp_path / "checkpoint.pth").state_dict()
    assert want.keys() == got.keys() and all(torch.equal(want[key], got[key]) for key in want)


def test_gradients_agree():
    size = SIZES[0]
    model = theirs(VideoMAEForVideoClassification, size)
    mine, video = classifier(size, model.state_dict()), clip(size)
    a, b = video.clone().requires_grad_(), video.clone().requires_grad_()
    mine(a).square().sum().backward()
    model(b.transpose(1, 2)).logits.square().sum().backward()
    assert (a.grad - b.grad).abs().max() / b.grad.abs().max() < 1e-4

    model, mask = theirs(VideoMAEForPreTraining, size, use_mean_pooling=False), tube_mask(grid(size), 0.7, batch=2)
    mine = pretraining(size, model.state_dict())
    mine.loss(video, mask).backward()
    model(video.transpose(1, 2), bool_masked_pos=mask).loss.backward()
    for ours, their in ((mine.mask_token, model.mask_token), (mine.head.weight, model.decoder.head.weight),
                        (mine.encoder.tubelet_embed.proj.weight,
                         model.videomae.embeddings.patch_embeddings.projection.weight)):
        assert (ours.grad - their.grad).abs().max() / their.grad.abs().max() < 1e-4


def test_the_ports_default_has_no_encoder_norm_and_is_refused():
    state = theirs(VideoMAEForPreTraining, SIZES[0]).state_dict()
    assert not any(key.startswith("videomae.layernorm") for key in state)
    with pytest.raises(CheckpointError, match="2 tensors of the model are not in it: norm.bias, norm.weight"):
        pretraining(SIZES[0], state)


def test_a_pretrained_encoder_is_fine_tuned():
    size = SIZES[0]
    pretrained = pretraining(size, theirs(VideoMAEForPreTraining, size, use_mean_pooling=False).state_dict())
    model, video = VideoMAE(**size, **EPS, classes=9), clip(size)
    model.encoder.load_state_dict(pretrained.encoder.state_dict())
    torch.testing.assert_close(model.encoder(video)[0], pretrained.encoder(video)[0])


@pytest.mark.slow
def test_the_published_size():
    size = dict(frames=2, image_size=224, tubelet_size=2, patch_size=16, width=768, depth=12, heads=12)
    model, video = theirs(VideoMAEForVideoClassification, size, noise=0.02), clip(size, b=1)
    mine = videomae_base(frames=2, classes=9, trained_at=(2, 224), **EPS).eval()
    load_pretrained(mine, model.state_dict())
    with torch.no_grad():
        assert_same(mine(video), model(video.transpose(1, 2)).logits)
