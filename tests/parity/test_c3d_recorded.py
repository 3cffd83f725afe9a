"""Our C3D is mmaction2's: it gives the logits that mmaction2 gave on the same weights."""

import zlib

import pytest
import torch

from videoformer_edu.models import c3d


def mmaction_names(state):
    """Our names -> mmaction2's, whose backbone and head are apart."""
    names = {}
    for key in state:
        *layer, kind = key.removeprefix("convolutions.").split(".")
        if key.startswith("convolutions."):
            names[key] = f"backbone.{layer[0]}.conv.{kind}"
        else:
            names[key] = f"fc_cls.{kind}" if layer == ["head"] else f"backbone.{layer[0]}.{kind}"
    return names


@pytest.mark.slow
def test_c3d_gives_the_logits_that_mmaction2_gave():
    """Recorded from the C3D backbone of mmaction2 (commit 34be42e) and a linear head for 5 classes, each tensor drawn
    from a seed of its mmaction2 name."""
    ours = c3d(classes=5).eval()
    state = ours.state_dict()
    for key, name in mmaction_names(state).items():
        value = state[key]
        noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
        value.copy_(noise * (1.4 / value[0].numel() ** 0.5 if value.ndim > 1 else 0.2))
    with torch.no_grad():
        logits = ours(torch.randn(2, 3, 16, 112, 112, generator=torch.Generator().manual_seed(5)))
    recorded = torch.tensor([[3.0242362, -0.3612210, -1.1998307, 0.4630411, 6.6854281],
                             [2.9130292, -0.4324552, -0.6544077, 0.7260616, 6.6608510]])
    assert (logits - recorded).abs().max() / recorded.abs().max() < 1e-5
