"""Our SlowFast is pytorchvideo's: it gives the logits that pytorchvideo gave on the same weights."""

import zlib

import torch

from videoformer_edu.models import SlowFast
from videoformer_edu.pretrained import load_pretrained


def pytorchvideo_names(state):
    """Our names -> pytorchvideo's, whose block 0 is the stem, 1 to 4 the stages and 6 the head."""
    part, pathway = {"0": "conv", "1": "norm"}, {"slow": "0", "fast": "1"}
    names = {}
    for key, value in state.items():
        w = key.split(".")
        speed, kind = w[0].partition("_")[::2]
        if w[0] == "laterals":
            name = f"blocks.{w[1]}.multipathway_fusion.{'conv_fast_to_slow' if w[2] == '0' else 'norm'}"
        elif kind == "stem":
            name = f"blocks.0.multipathway_blocks.{pathway[speed]}.{part[w[2]]}"
        elif kind == "stages":
            name = f"blocks.{int(w[1]) + 1}.multipathway_blocks.{pathway[speed]}.res_blocks.{w[2]}."
            name += f"branch1_{part[w[4]]}" if w[3] == "shortcut" else f"branch2.{part[w[5]]}_{'abc'[int(w[4])]}"
        else:
            name = "blocks.6.proj"
        names[f"{name}.{w[-1]}"] = value
    return names


def slowfast_state():
    """A small SlowFast under pytorchvideo's names, each tensor drawn from a seed of its own name."""
    state = pytorchvideo_names(SlowFast(width=8, alpha=4, beta=4, fusion_kernel=5, depths=(1, 1, 1, 1), classes=5)
                               .state_dict())
    for name, value in state.items():
        if value.is_floating_point():
            noise = torch.randn(value.shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
            scale = 1.4 / value[0].numel() ** 0.5 if value.ndim > 1 else 0.2
            state[name] = noise * scale + (1 if value.ndim == 1 and not name.endswith(("bias", "mean")) else 0)
            if name.endswith("var"):
                state[name].abs_()
    return state


def test_slowfast_gives_the_logits_that_pytorchvideo_gave():
    """Recorded from pytorchvideo 0.1.5, whose model took this very state, strictly: create_slowfast(model_depth=18,
    stem_dim_outs=(8, 2), slowfast_channel_reduction_ratio=4, slowfast_fusion_conv_kernel_size=(5, 1, 1),
    head_pool_kernel_sizes=((2, 2, 2), (8, 2, 2)), model_num_class=5), given frames 0 and 7 and all eight."""
    ours = SlowFast(width=8, alpha=4, beta=4, fusion_kernel=5, depths=(1, 1, 1, 1), classes=5).eval()
    report = load_pretrained(ours, slowfast_state())
    assert report.loaded == len(ours.state_dict())
    with torch.no_grad():
        logits = ours(torch.randn(2, 3, 8, 64, 64, generator=torch.Generator().manual_seed(5)))
    recorded = torch.tensor([[1.3896737, -2.4119043, 3.1423759, -1.0024633, 0.9563772],
                                      [0.8806710, -3.1148973, 2.4922667, -1.1300238, 1.8961464]])
    assert (logits - recorded).abs().max() / recorded.abs().max() < 1e-5
