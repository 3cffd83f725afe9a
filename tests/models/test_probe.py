"""A probe on a frozen image model: what is frozen stays, and order counts exactly where it is asked for."""

import torch
import torch.nn.functional as F
from einops import rearrange

from videoformer_edu.models import probe_motion


def clips(b: int = 3, t: int = 8) -> torch.Tensor:
    return torch.randn(b, 3, t, 32, 32, generator=torch.Generator().manual_seed(b))


def test_without_vectors_of_the_frames_every_order_gives_the_same_answer():
    order = [4, 0, 7, 3, 2, 5, 1, 6]
    for ordered in (False, True):
        torch.manual_seed(1)
        model = probe_motion(ordered=ordered).eval()
        change = (model(clips()) - model(clips()[:, :, order])).abs().max().item()
        assert (change > 1e-4) == ordered, change


def test_only_the_probe_learns():
    model = probe_motion()
    F.cross_entropy(model(clips()), torch.tensor([0, 5, 3])).backward()
    for name, p in model.named_parameters():
        assert (p.grad is None) == name.startswith("image."), name


def test_features_are_attention_pooling_over_all_patches_in_plain_loops():
    torch.manual_seed(2)
    model, video = probe_motion().double().eval(), clips(2).double()
    frames = rearrange(video, "b c t h w -> (b t) c h w")
    patches = model.patch_norm(model.image.tokens(frames)[0][:, 1:]).unflatten(0, (2, 8))
    patches = (patches + model.time_positions(8)[:, None]).flatten(1, 2)
    rows = []
    for clip in patches:
        keys, values = model.keys(clip), model.values(clip)
        rows.append(torch.cat([((keys @ query) / 8).softmax(0) @ values for query in model.cls]))
    expected = model.mlp(model.norm(torch.stack(rows)))
    torch.testing.assert_close(model.features(video), expected, rtol=0, atol=1e-9)
