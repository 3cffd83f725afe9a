"""The bank of 04.3: one block with a switch for each mistake, and right blocks in other styles."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import nn

from videoformer_edu.grading.spec import Mutant, Style
from videoformer_edu.sheets.s04_timesformer.spatial_bank import fused, spatial_attention
from videoformer_edu.sheets.s04_timesformer.tubes_bank import from_tubes, to_tubes

TEMPORAL = "temporal_attention.attention"


def linear(x, weights, name):
    return F.linear(x, weights[f"{name}.weight"], weights[f"{name}.bias"])


def time_update(patches, weights, t, heads, attend=fused):
    """patches `(b, t*n, d)`, normed -> what attention along time makes of them, before the gate."""
    return from_tubes(attend(to_tubes(patches, t), weights, TEMPORAL, heads), len(patches))


def time_with_cls(x, weights, t, heads):
    """CLS as one more token of every tube, as query and key, its copies averaged."""
    b, n = len(x), (x.shape[1] - 1) // t
    tubes = torch.cat([x[:, :1].repeat_interleave(n, dim=0), to_tubes(x[:, 1:], t)], dim=1)
    tubes = fused(tubes, weights, TEMPORAL, heads)
    cls = tubes[:, :1].unflatten(0, (b, n)).mean(dim=1)
    return torch.cat([cls, from_tubes(tubes[:, 1:], b)], dim=1)


def mlp(x, weights, gelu):
    return linear(F.gelu(linear(x, weights, "mlp.0"), approximate=gelu), weights, "mlp.2")


def block(x, weights, t, heads, *, eps=1e-6, norms=("temporal_norm", "spatial_norm", "mlp_norm"), gate="update",
          residuals=(1, 1, 1), cls_in="space", tubes=to_tubes, order="time first", gelu="none", space=spatial_attention,
          mlp_on="all"):
    """Right as it stands; each keyword breaks one thing."""
    def norm(x, i):
        if norms[i] is None:
            return x
        return F.layer_norm(x, x.shape[-1:], weights[f"{norms[i]}.weight"], weights[f"{norms[i]}.bias"], eps=eps)

    def through_time(x):
        if cls_in == "time":
            update = time_with_cls(norm(x, 0), weights, t, heads)
            return residuals[0] * x + linear(update, weights, "temporal_projection")
        patches = x[:, 1:]
        update = from_tubes(fused(tubes(norm(patches, 0), t), weights, TEMPORAL, heads), len(x))
        if gate == "sum":
            patches = linear(patches + update, weights, "temporal_projection")
        elif gate == "none":
            patches = residuals[0] * patches + update
        else:
            patches = residuals[0] * patches + linear(update, weights, "temporal_projection")
        return torch.cat([x[:, :1], patches], dim=1)

    def through_space(x):
        if cls_in == "nothing":
            return torch.cat([x[:, :1], x[:, 1:] + patches_alone(norm(x, 1), weights, t, heads)], dim=1)
        return residuals[1] * x + space(norm(x, 1), weights, t, heads)

    steps = (through_time, through_space) if order == "time first" else (through_space, through_time)
    for step in steps:
        x = step(x)
    out = residuals[2] * x + mlp(norm(x, 2), weights, gelu)
    return torch.cat([x[:, :1], out[:, 1:]], dim=1) if mlp_on == "patches" else out


def patches_alone(x, weights, t, heads):
    frames = rearrange(x[:, 1:], "b (t n) d -> (b t) n d", t=t)
    frames = fused(frames, weights, "spatial_attention.attention", heads)
    return rearrange(frames, "(b t) n d -> b (t n) d", t=t)


def post_norm(x, weights, t, heads):
    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)

    update = linear(time_update(x[:, 1:], weights, t, heads), weights, "temporal_projection")
    x = torch.cat([x[:, :1], norm(x[:, 1:] + update, "temporal_norm")], dim=1)
    x = norm(x + spatial_attention(x, weights, t, heads), "spatial_norm")
    return norm(x + mlp(x, weights, "none"), "mlp_norm")


def both_from_the_input(x, weights, t, heads):
    def norm(x, name):
        return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)

    time = linear(time_update(norm(x[:, 1:], "temporal_norm"), weights, t, heads), weights, "temporal_projection")
    space = spatial_attention(norm(x, "spatial_norm"), weights, t, heads)
    x = x + space + torch.cat([torch.zeros_like(x[:, :1]), time], dim=1)
    return x + mlp(norm(x, "mlp_norm"), weights, "none")


def mutant(name: str, sentence: str, wrong=None, **broken) -> Mutant:
    return Mutant(name, {"divided_block": wrong or partial(block, **broken)}, sentence)


MUTANTS = (
    mutant("CLS left out of space",
           "CLS is split off before both attentions and joined again for the MLP: it never sees a patch. The "
           "logits are read from CLS, so they would be the same for every video. Let CLS take part in the "
           "spatial attention, one copy in each frame.", cls_in="nothing"),
    mutant("CLS in time",
           "CLS takes part in your temporal attention. The paper's equation has it as a key there, the published "
           "code and its weights do not: only the patches, x[:, 1:], go through time.", cls_in="time"),
    mutant("space before time",
           "Your block attends over space first and then along time. TimeSformer goes along time first; the "
           "published weights were trained in that order.", order="space first"),
    mutant("space from the old tokens",
           "Your spatial attention reads the tokens as they were before time was added. The three updates follow "
           "one another: each starts from the result of the one before.", wrong=both_from_the_input),
    mutant("gate left out",
           "temporal_projection is missing: the update along time is added as it is. That linear map is the gate "
           "which, at zero, keeps time out when the block starts from an image model.", gate="none"),
    mutant("gate on the sum",
           "You sent patches plus update through temporal_projection. Only the update goes through it; the "
           "residual passes by outside. With the gate at zero you would erase the patches.", gate="sum"),
    mutant("temporal residual missing",
           "The residual of the temporal part is missing: the patches are replaced by the update. patches + "
           "projection(...), so that a closed gate leaves them as they are.", residuals=(0, 1, 1)),
    mutant("spatial residual missing",
           "The residual of the spatial part is missing: x + spatial_attention(...).", residuals=(1, 0, 1)),
    mutant("MLP residual missing", "The residual of the MLP is missing: x + mlp(...).", residuals=(1, 1, 0)),
    mutant("spatial norm used twice",
           "Your temporal attention uses the spatial norm. Each of the three parts has its own scale and shift: "
           "temporal_norm, spatial_norm, mlp_norm.", norms=("spatial_norm", "spatial_norm", "mlp_norm")),
    mutant("temporal norm used twice",
           "Your spatial attention uses the temporal norm. Each of the three parts has its own scale and shift: "
           "temporal_norm, spatial_norm, mlp_norm.", norms=("temporal_norm", "temporal_norm", "mlp_norm")),
    mutant("spatial norm for the MLP",
           "Your MLP uses the spatial norm, as if one LayerNorm served both. Each of the three parts has its own "
           "scale and shift; this one is mlp_norm.", norms=("temporal_norm", "spatial_norm", "spatial_norm")),
    mutant("temporal norm missing", "The temporal attention reads tokens that were not normed: temporal_norm is "
                                    "missing.",
           norms=(None, "spatial_norm", "mlp_norm")),
    mutant("spatial norm missing", "The spatial attention reads tokens that were not normed: spatial_norm is "
                                   "missing.",
           norms=("temporal_norm", None, "mlp_norm")),
    mutant("MLP norm missing", "The MLP reads tokens that were not normed: mlp_norm is missing.",
           norms=("temporal_norm", "spatial_norm", None)),
    mutant("norm after the residual",
           "You norm after adding (post-norm, as in the first Transformer). ViT and TimeSformer are pre-norm: "
           "the norm stands before each update, and the sum stays as it is.", wrong=post_norm),
    mutant("eps 1e-5",
           "Your LayerNorm uses eps 1e-5, PyTorch's default; the published one is 1e-6. The difference is small "
           "but it reaches the logits, most of all where tokens are small. Pass eps=1e-6.", eps=1e-5),
    mutant("tanh GELU",
           "Your GELU is the tanh approximation. TimeSformer's is the exact one (erf): F.gelu(x) without "
           "`approximate`.",
           gelu="tanh"),
    mutant("MLP on the patches only",
           "CLS skips your MLP. The MLP works on every token, CLS included.", mlp_on="patches"),
    mutant("frames for tubes",
           "Your temporal groups are a plain reshape of (b, t·n, d): they hold neighbours of one frame instead "
           "of one place through time. Use to_tubes from 04.1 before the temporal attention.",
           tubes=lambda x, t: x.reshape(-1, t, x.shape[-1])),
    mutant("copies of CLS summed",
           "The copies of CLS are added up in your spatial attention; take their mean, or CLS grows with the "
           "length of the clip.", space=partial(spatial_attention, back="sum")),
    mutant("CLS copies with repeat",
           "Your spatial attention copies CLS with repeat, so with two clips frames meet another clip's CLS. Use "
           "repeat_interleave(t, dim=0).", space=partial(spatial_attention, copies="b 1 d -> (t b) 1 d")),
)


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.proj = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):  # (..., l, d)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(-2, -3) for part in self.qkv(x).chunk(3, -1))
        weight = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5).softmax(-1)
        return self.proj((weight @ v).transpose(-2, -3).flatten(-2))


class Block(nn.Module):
    """The same keys as the weights, so that load_state_dict does the wiring."""

    def __init__(self, width, hidden, heads):
        super().__init__()
        self.temporal_norm, self.spatial_norm, self.mlp_norm = (nn.LayerNorm(width, eps=1e-6) for _ in range(3))
        self.temporal_attention = nn.ModuleDict({"attention": Attention(width, heads)})
        self.spatial_attention = nn.ModuleDict({"attention": Attention(width, heads)})
        self.temporal_projection = nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x, t):
        cls, patches = x[:, :1], x[:, 1:].unflatten(1, (t, -1))  # (b, t, n, d)
        tubes = self.temporal_attention["attention"](self.temporal_norm(patches).transpose(1, 2))
        patches = patches + self.temporal_projection(tubes).transpose(1, 2)
        frames = torch.cat([cls[:, None].expand(-1, t, -1, -1), patches], dim=2)  # (b, t, 1 + n, d)
        update = self.spatial_attention["attention"](self.spatial_norm(frames))
        cls, patches = cls + update[:, :, 0].mean(1, keepdim=True), patches + update[:, :, 1:]
        x = torch.cat([cls, patches.flatten(1, 2)], dim=1)
        return x + self.mlp(self.mlp_norm(x))


def as_module(x, weights, t, heads):
    module = Block(x.shape[-1], len(weights["mlp.0.weight"]), heads)
    module.load_state_dict(weights)
    return module(x, t)


STYLES = (
    Style("functions", {"divided_block": block}),
    Style("a module with a state dict", {"divided_block": as_module}),
)
