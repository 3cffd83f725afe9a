"""04.3 norm, divided_block: answers by somebody who has not seen the bank."""

from tests.sheets.adversary import answers_04_1, answers_04_2
from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

EARLIER = answers_04_1.EINOPS + answers_04_2.BASE
BLOCK = """
def norm(x, weights, name):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)

def divided_block(x, weights, t, heads):
    cls, patches = x[:, :1], x[:, 1:]
    tubes = to_tubes(norm(patches, weights, "temporal_norm"), t)
    seen = multi_head(tubes, weights, "temporal_attention.attention", heads)
    gated = linear(from_tubes(seen, len(x)), weights, "temporal_projection")
    timed = torch.cat([cls, patches + gated], dim=1)
    spaced = timed + spatial_attention(norm(timed, weights, "spatial_norm"), weights, t, heads)
    hidden = F.gelu(linear(norm(spaced, weights, "mlp_norm"), weights, "mlp.0"))
    return spaced + linear(hidden, weights, "mlp.2")
"""
BY_HAND = (
    EARLIER
    + BLOCK
    + """
def norm(x, weights, name):
    mean = x.mean(dim=-1, keepdim=True)
    var = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
    return (x - mean) / (var + 1e-6).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]
"""
)
NORM = 'F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)'
TUBES = 'to_tubes(norm(patches, weights, "temporal_norm"), t)'
SEEN = 'multi_head(tubes, weights, "temporal_attention.attention", heads)'
GATED = 'linear(from_tubes(seen, len(x)), weights, "temporal_projection")'
TIMED = "torch.cat([cls, patches + gated], dim=1)"
SPACED = 'timed + spatial_attention(norm(timed, weights, "spatial_norm"), weights, t, heads)'
UPDATE = 'spatial_attention(norm(timed, weights, "spatial_norm"), weights, t, heads)'
HIDDEN = 'F.gelu(linear(norm(spaced, weights, "mlp_norm"), weights, "mlp.0"))'
OUT = 'spaced + linear(hidden, weights, "mlp.2")'
# The block with layer norms of its own, so that a wrong `norm` stays alone.
OWN = (
    EARLIER
    + BLOCK.replace("norm(patches", "ln(patches").replace("norm(timed", "ln(timed").replace("norm(spaced", "ln(spaced")
    + """
def ln(x, weights, name):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)
"""
)

wrong = Answers(EARLIER + BLOCK)
# norm, in the block as well.
NORMS = {
    "eps left at 1e-5": "F.layer_norm(x, x.shape[-1:], w, b)",
    "eps 1e-12": "F.layer_norm(x, x.shape[-1:], w, b, eps=1e-12)",
    "eps 1e-8": "F.layer_norm(x, x.shape[-1:], w, b, eps=1e-8)",
    "eps 1e-3": "F.layer_norm(x, x.shape[-1:], w, b, eps=1e-3)",
    "eps 0": "F.layer_norm(x, x.shape[-1:], w, b, eps=0.0)",
    "no weight": "F.layer_norm(x, x.shape[-1:], None, b, eps=1e-6)",
    "no bias": "F.layer_norm(x, x.shape[-1:], w, None, eps=1e-6)",
    "neither weight nor bias": "F.layer_norm(x, x.shape[-1:], eps=1e-6)",
    "weight and bias exchanged": "F.layer_norm(x, x.shape[-1:], b, w, eps=1e-6)",
    "weight counted from 1": "F.layer_norm(x, x.shape[-1:], 1 + w, b, eps=1e-6)",
    "bias inside the weight": "(F.layer_norm(x, x.shape[-1:], eps=1e-6) + b) * w",
    "over tokens and width": "F.layer_norm(x, x.shape[-2:], eps=1e-6) * w + b",
    "over everything": "F.layer_norm(x, x.shape, eps=1e-6) * w + b",
    "over the tokens": "F.layer_norm(x.mT, x.mT.shape[-1:], eps=1e-6).mT * w + b",
    "over the batch": "(x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-6).sqrt() * w + b",
    "batch norm": "F.batch_norm(x.flatten(0, -2), None, None, w, b, True, eps=1e-6).reshape(x.shape)",
    "rms norm": "x / (x.square().mean(-1, keepdim=True) + 1e-6).sqrt() * w + b",
    "rms norm without bias": "F.rms_norm(x, x.shape[-1:], w, 1e-6)",
    "mean taken off only": "(x - m) * w + b",
    "length 1": "F.normalize(x - m, dim=-1) * w + b",
    "unbiased variance": "(x - m) / (x.var(-1, keepdim=True) + 1e-6).sqrt() * w + b",
    "eps added to the standard deviation": "(x - m) / (v.sqrt() + 1e-6) * w + b",
    "no root": "(x - m) / (v + 1e-6) * w + b",
    "mean without gradient": ("(x - m.detach()) / (v + 1e-6).sqrt() * w + b"),
    "variance without gradient": ("(x - m) / (v.detach() + 1e-6).sqrt() * w + b"),
    "weight without gradient": "F.layer_norm(x, x.shape[-1:], w.detach(), b, eps=1e-6)",
    "bias without gradient": "F.layer_norm(x, x.shape[-1:], w, b.detach(), eps=1e-6)",
    "detached": "F.layer_norm(x, x.shape[-1:], w, b, eps=1e-6).detach()",
    "an nn.LayerNorm filled with copies": (
        "(lambda m: (m.load_state_dict({'weight': w, 'bias': b}), "
        "m.to(x.dtype)(x))[1])(nn.LayerNorm(x.shape[-1], eps=1e-6))"
    ),
    "a fresh nn.LayerNorm": "nn.LayerNorm(x.shape[-1], eps=1e-6, dtype=x.dtype)(x)",
    "width 12 always": "F.layer_norm(x, (12,), w, b, eps=1e-6)",
    "three axes only": (
        "(lambda y: y.reshape(len(x), x.shape[1], -1)[:, :1].expand_as(x))(F.layer_norm(x, x.shape[-1:], "
        "w, b, eps=1e-6))"
    ),
    "in bfloat16": "F.layer_norm(x.bfloat16(), x.shape[-1:], w.bfloat16(), b.bfloat16(), eps=1e-6).to(x.dtype)",
    "returns float64": "F.layer_norm(x, x.shape[-1:], w, b, eps=1e-6).double()",
    "softmax instead": "x.softmax(-1) * w + b",
    "weights of mlp_norm always": "F.layer_norm(x, x.shape[-1:], weights['mlp_norm.weight'], b, eps=1e-6)",
    "result plus x": "x + F.layer_norm(x, x.shape[-1:], w, b, eps=1e-6)",
    "clamped at 2": "F.layer_norm(x, x.shape[-1:], eps=1e-6).clamp(-2, 2) * w + b",
    "tanh instead": "torch.tanh(x * w + b)",
}
HEAD = """
def norm(x, weights, name):
    w, b = weights.get(f"{name}.weight"), weights.get(f"{name}.bias")
    m, v = x.mean(-1, keepdim=True), x.var(-1, unbiased=False, keepdim=True)
"""
for name, text in NORMS.items():
    add = f"{HEAD}    return {text}\n"
    wrong(f"norm: {name}", add=add)
    wrong(f"norm alone: {name}", add=add, base=OWN)
wrong(
    "norm alone: not written",
    add="""
def norm(x, weights, name):
    ...
""",
    base=OWN,
)
wrong(
    "norm alone: None",
    add="""
def norm(x, weights, name):
    return None
""",
    base=OWN,
)
wrong(
    "norm alone: x as it is",
    add="""
def norm(x, weights, name):
    return x
""",
    base=OWN,
)
wrong(
    "norm alone: random",
    add="""
def norm(x, weights, name):
    return torch.randn_like(x)
""",
    base=OWN,
)
wrong(
    "norm alone: raises",
    add="""
def norm(x, weights, name):
    raise NotImplementedError
""",
    base=OWN,
)
# The order of the steps and what each starts from.
SPACE_FIRST = """
def divided_block(x, weights, t, heads):
    x = x + spatial_attention(norm(x, weights, "spatial_norm"), weights, t, heads)
    cls, patches = x[:, :1], x[:, 1:]
    tubes = to_tubes(norm(patches, weights, "temporal_norm"), t)
    tubes = multi_head(tubes, weights, "temporal_attention.attention", heads)
    x = torch.cat([cls, patches + linear(from_tubes(tubes, len(x)), weights, "temporal_projection")], dim=1)
    return x + linear(F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0")), weights, "mlp.2")
"""
wrong("space before time", add=SPACE_FIRST)
wrong(
    "MLP first",
    add="""
first = divided_block
zero = lambda w, k: {**w, k + ".weight": w[k + ".weight"] * 0, k + ".bias": w[k + ".bias"] * 0}
def divided_block(x, weights, t, heads):
    x = x + linear(F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0")), weights, "mlp.2")
    return first(x, zero(weights, "mlp.2"), t, heads)
""",
)
wrong(
    "MLP between time and space",
    (HIDDEN, 'F.gelu(linear(norm(timed, weights, "mlp_norm"), weights, "mlp.0"))'),
    (f"return {OUT}", 'timed = timed + linear(hidden, weights, "mlp.2")\n    return ' + SPACED),
)
wrong("space starts from x, not from the result of time", (SPACED, SPACED.replace("norm(timed", "norm(x")))
wrong("space's update is added to x", (SPACED, SPACED.replace("timed + ", "x + ")))
wrong("space starts from x and is added to x", (SPACED, SPACED.replace("timed", "x")))
wrong("MLP starts from the result of time", (HIDDEN, HIDDEN.replace("spaced", "timed")))
wrong("MLP's update is added to the result of time", (OUT, OUT.replace("spaced", "timed")))
wrong("MLP's update is added to x", (OUT, OUT.replace("spaced", "x")))
wrong("MLP starts from x", (HIDDEN, HIDDEN.replace("spaced", "x")))
wrong(
    "all three start from x", (SPACED, SPACED.replace("norm(timed", "norm(x")), (HIDDEN, HIDDEN.replace("spaced", "x"))
)
wrong("time without residual", (TIMED, "torch.cat([cls, gated], dim=1)"))
wrong("space without residual", (SPACED, UPDATE))
wrong("MLP without residual", (OUT, 'linear(hidden, weights, "mlp.2")'))
wrong(
    "no residual at all",
    (TIMED, "torch.cat([cls, gated], dim=1)"),
    (SPACED, UPDATE),
    (OUT, 'linear(hidden, weights, "mlp.2")'),
)
wrong(
    "time's residual is the normed tokens",
    (TIMED, 'torch.cat([cls, norm(patches, weights, "temporal_norm") + gated], dim=1)'),
)
wrong("space's residual is the normed tokens", (SPACED, f'norm(timed, weights, "spatial_norm") + {UPDATE}'))
wrong(
    "MLP's residual is the normed tokens", (OUT, 'norm(spaced, weights, "mlp_norm") + linear(hidden, weights, "mlp.2")')
)
wrong(
    "CLS normed for good by the space step",
    (SPACED, f'torch.cat([norm(timed[:, :1], weights, "spatial_norm"), timed[:, 1:]], 1) + {UPDATE}'),
)
wrong("time's residual twice", (TIMED, "torch.cat([cls, 2 * patches + gated], dim=1)"))
wrong("space's residual twice", (SPACED, "timed + " + SPACED))
wrong("x added at the end", (OUT, OUT + " + x"))
wrong("updates halved", (SPACED, f"timed + 0.5 * {UPDATE}"))
wrong(
    "post-norm: every norm after its step",
    add="""
def divided_block(x, weights, t, heads):
    tubes = multi_head(to_tubes(x[:, 1:], t), weights, "temporal_attention.attention", heads)
    gated = linear(from_tubes(tubes, len(x)), weights, "temporal_projection")
    patches = norm(x[:, 1:] + gated, weights, "temporal_norm")
    x = torch.cat([x[:, :1], patches], 1)
    x = norm(x + spatial_attention(x, weights, t, heads), weights, "spatial_norm")
    return norm(x + linear(F.gelu(linear(x, weights, "mlp.0")), weights, "mlp.2"), weights, "mlp_norm")
""",
)
wrong("updates subtracted", (TIMED, "torch.cat([cls, patches - gated], dim=1)"))
# Norms.
wrong("no temporal_norm", (TUBES, "to_tubes(patches, t)"))
wrong("no spatial_norm", (UPDATE, "spatial_attention(timed, weights, t, heads)"))
wrong("no mlp_norm", (HIDDEN, 'F.gelu(linear(spaced, weights, "mlp.0"))'))
wrong(
    "no norm",
    (TUBES, "to_tubes(patches, t)"),
    (UPDATE, "spatial_attention(timed, weights, t, heads)"),
    (HIDDEN, 'F.gelu(linear(spaced, weights, "mlp.0"))'),
)
wrong(
    "temporal_norm and spatial_norm exchanged",
    ('"temporal_norm"', '"other"'),
    ('"spatial_norm"', '"temporal_norm"'),
    ('"other"', '"spatial_norm"'),
)
wrong(
    "spatial_norm and mlp_norm exchanged",
    ('"spatial_norm"', '"other"'),
    ('"mlp_norm"', '"spatial_norm"'),
    ('"other"', '"mlp_norm"'),
)
wrong("spatial_norm for mlp_norm", ('"mlp_norm"', '"spatial_norm"'))
wrong("temporal_norm for spatial_norm", ('"spatial_norm"', '"temporal_norm"'))
wrong("mlp_norm for temporal_norm", ('"temporal_norm"', '"mlp_norm"'))
wrong(
    "temporal_norm applied twice",
    (
        'norm(patches, weights, "temporal_norm")',
        'norm(norm(patches, weights, "temporal_norm"), weights, "temporal_norm")',
    ),
)
wrong(
    "norm after the regrouping, over time",
    (TUBES, 'norm(to_tubes(patches, t).mT.mT, weights, "temporal_norm").flip(1)'),
)
wrong(
    "space norms patches only",
    (
        UPDATE,
        UPDATE.replace(
            'norm(timed, weights, "spatial_norm")', 'torch.cat([cls, norm(timed[:, 1:], weights, "spatial_norm")], 1)'
        ),
    ),
)
wrong("norm of the result at the end", (OUT, f'norm({OUT}, weights, "mlp_norm")'))
# The gate.
wrong("no gate", (GATED, "from_tubes(seen, len(x))"))
wrong("gate without bias", (GATED, 'F.linear(from_tubes(seen, len(x)), weights["temporal_projection.weight"])'))
wrong(
    "gate transposed",
    (GATED, 'from_tubes(seen, len(x)) @ weights["temporal_projection.weight"] + weights["temporal_projection.bias"]'),
)
wrong(
    "gate after the residual",
    (TIMED, 'torch.cat([cls, linear(patches + from_tubes(seen, len(x)), weights, "temporal_projection")], 1)'),
)
wrong(
    "gate before the attention",
    (GATED, "from_tubes(seen, len(x))"),
    (TUBES, 'to_tubes(linear(norm(patches, weights, "temporal_norm"), weights, "temporal_projection"), t)'),
)
wrong("gate twice", (GATED, f'linear({GATED}, weights, "temporal_projection")'))
wrong("gate through a sigmoid", (GATED, f"torch.sigmoid({GATED})"))
wrong("gate as a factor", (GATED, f"from_tubes(seen, len(x)) * {GATED}"))
wrong("gate on CLS too", (TIMED, 'torch.cat([cls + linear(cls, weights, "temporal_projection"), patches + gated], 1)'))
wrong("gate after space as well", (SPACED, f'timed + linear({UPDATE}, weights, "temporal_projection")'))
wrong(
    "gate after space, none after time",
    (GATED, "from_tubes(seen, len(x))"),
    (SPACED, f'timed + linear({UPDATE}, weights, "temporal_projection")'),
)
wrong(
    "gate only when it is not zero, its gradient lost",
    (
        GATED,
        (
            f'({GATED} if weights["temporal_projection.weight"].any() else torch.zeros_like(patches) + '
            f'weights["temporal_projection.bias"])'
        ),
    ),
)
wrong("gate detached", (GATED, GATED.replace(", weights,", ", {k: w.detach() for k, w in weights.items()},")))
wrong("time's update detached", (GATED, GATED + ".detach()"))
wrong("time attends on detached tokens", (SEEN, SEEN + ".detach()"))
wrong(
    "gate weight without gradient",
    (
        GATED,
        (
            'F.linear(from_tubes(seen, len(x)), weights["temporal_projection.weight"].detach(), '
            'weights["temporal_projection.bias"])'
        ),
    ),
)
wrong(
    "gate bias without gradient",
    (
        GATED,
        (
            'F.linear(from_tubes(seen, len(x)), weights["temporal_projection.weight"], '
            'weights["temporal_projection.bias"].detach())'
        ),
    ),
)
wrong("proj of temporal attention for the gate", ('"temporal_projection"', '"temporal_attention.attention.proj"'))
# Time.
wrong("time left out", (TIMED, "x"))
wrong(
    "time along frames instead of tubes",
    (TUBES, 'rearrange(norm(patches, weights, "temporal_norm"), "b (t n) d -> (b t) n d", t=t)'),
    ("from_tubes(seen, len(x))", 'rearrange(seen, "(b t) n d -> b (t n) d", t=t)'),
)
wrong(
    "time over all patches (joint)",
    (SEEN, 'multi_head(norm(patches, weights, "temporal_norm"), weights, "temporal_attention.attention", heads)'),
    ("from_tubes(seen, len(x))", "seen"),
)
wrong("tubes by a reshape", (TUBES, 'norm(patches, weights, "temporal_norm").reshape(-1, t, x.shape[2])'))
wrong(
    "tubes by a reshape, there and back",
    (TUBES, 'norm(patches, weights, "temporal_norm").reshape(-1, t, x.shape[2])'),
    ("from_tubes(seen, len(x))", "seen.reshape(patches.shape)"),
)
wrong("back by a reshape", ("from_tubes(seen, len(x))", "seen.reshape(patches.shape)"))
wrong(
    "CLS in time: in front of every tube",
    (
        SEEN,
        (
            'multi_head(torch.cat([norm(cls, weights, "temporal_norm").repeat_interleave(len(tubes) // '
            'len(x), 0), tubes], 1), weights, "temporal_attention.attention", heads)[:, 1:]'
        ),
    ),
)
wrong(
    "CLS as a tube of its own",
    (
        TIMED,
        (
            'torch.cat([cls + linear(multi_head(norm(cls, weights, "temporal_norm"), weights, '
            '"temporal_attention.attention", heads), weights, "temporal_projection"), patches + gated], '
            "1)"
        ),
    ),
)
wrong(
    "CLS counted as a patch of the tubes",
    add="""
step = divided_block
def divided_block(x, weights, t, heads):
    y = norm(x, weights, "temporal_norm")[:, :-1]
    y = multi_head(to_tubes(y, t), weights, "temporal_attention.attention", heads)
    y = linear(from_tubes(y, len(x)), weights, "temporal_projection")
    x = torch.cat([x[:, :1] + y[:, :1] * 0, x[:, 1:] + y], 1)
    x = x + spatial_attention(norm(x, weights, "spatial_norm"), weights, t, heads)
    return x + linear(F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0")), weights, "mlp.2")
""",
)
wrong("spatial weights for time", ('"temporal_attention.attention"', '"spatial_attention.attention"'))
wrong(
    "attentions exchanged",
    ('"temporal_attention.attention"', '"spatial_attention.attention"'),
    (
        UPDATE,
        UPDATE.replace(
            ", weights, t,",
            ", {k.replace('spatial_a', 'no').replace('temporal_a', 'spatial_a'): w for k, w in weights.items()}, t,",
        ),
    ),
)
wrong(
    "temporal weights for space",
    (
        UPDATE,
        UPDATE.replace(
            ", weights, t,",
            (
                ", {**weights, **{k.replace('temporal_a', 'spatial_a'): w for k, w in weights.items() if "
                "'temporal_a' in k}}, t,"
            ),
        ),
    ),
)
wrong("heads: 1 in time", (SEEN, SEEN.replace("heads)", "1)")))
wrong("heads: 4 in time", (SEEN, SEEN.replace("heads)", "4)")))
wrong("heads: 2 in space", (UPDATE, UPDATE.replace("heads)", "2)")))
wrong("heads: 1 in space", (UPDATE, UPDATE.replace("heads)", "1)")))
wrong("t is 3 in time", (TUBES, TUBES.replace(", t)", ", 3)")))
wrong(
    "t is 2 everywhere",
    ("    cls, patches = x[:, :1], x[:, 1:]\n    tubes", "    t = 2\n    cls, patches = x[:, :1], x[:, 1:]\n    tubes"),
)
wrong("b is 2 on the way back", ("len(x))", "2)"))
wrong("b taken as t on the way back", ("len(x))", "t)"))
wrong(
    "tubes (n b) there and back is right, only there is not",
    (TUBES, 'rearrange(norm(patches, weights, "temporal_norm"), "b (t n) d -> (n b) t d", t=t)'),
)
wrong(
    "time causal",
    (SEEN, 'causal(tubes, weights, "temporal_attention.attention", heads)'),
    add="""
def causal(x, weights, name, heads):
    q, k, v = rearrange(linear(x, weights, f"{name}.qkv"), "g l (three h e) -> three g h l e", three=3, h=heads)
    out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    return linear(rearrange(out, "g h l e -> g l (h e)"), weights, f"{name}.proj")
""",
)
wrong(
    "time without scale",
    (
        SEEN,
        (
            "multi_head(tubes, {**weights, **{k: torch.cat([w[:x.shape[2]] * (x.shape[2] // heads) ** "
            "0.5, w[x.shape[2]:]]) for k, w in weights.items() if "
            'k.startswith("temporal_attention.attention.qkv")}}, "temporal_attention.attention", heads)'
        ),
    ),
)
# Space and CLS.
wrong("space left out", (SPACED, "timed"))
wrong("space on patches only, CLS as it was", (SPACED, f"torch.cat([cls, timed[:, 1:] + {UPDATE}[:, 1:]], 1)"))
wrong(
    "space: patches of a frame without CLS, CLS outside",
    (
        SPACED,
        (
            "torch.cat([cls, timed[:, 1:] + multi_head(norm(timed[:, 1:], weights, "
            '"spatial_norm").reshape(len(x) * t, -1, x.shape[2]), weights, "spatial_attention.attention", '
            "heads).reshape(patches.shape)], 1)"
        ),
    ),
)
wrong(
    "space: joint over all tokens",
    (UPDATE, 'multi_head(norm(timed, weights, "spatial_norm"), weights, "spatial_attention.attention", heads)'),
)
wrong(
    "space: along tubes again",
    (
        SPACED,
        (
            "timed + torch.cat([cls * 0, from_tubes(multi_head(to_tubes(norm(timed[:, 1:], weights, "
            '"spatial_norm"), t), weights, "spatial_attention.attention", heads), len(x))], 1)'
        ),
    ),
)
wrong("CLS's residual missing in space", (SPACED, f"torch.cat([cls * 0, timed[:, 1:]], 1) + {UPDATE}"))
wrong("CLS lost", (OUT, f"({OUT})[:, 1:]"))
wrong("CLS last", (OUT, f"({OUT}).roll(-1, 1)"))
wrong(
    "CLS and first patch of the result exchanged",
    (OUT, f"(lambda y: torch.cat([y[:, 1:2], y[:, :1], y[:, 2:]], 1))({OUT})"),
)
wrong(
    "CLS taken as the last token of x",
    ("cls, patches = x[:, :1], x[:, 1:]\n    tubes", "cls, patches = x[:, -1:], x[:, :-1]\n    tubes"),
)
wrong(
    "space twice",
    (SPACED, f"(lambda y: y + spatial_attention(norm(y, weights, 'spatial_norm'), weights, t, heads))({SPACED})"),
)
wrong("space's update detached", (SPACED, f"timed + {UPDATE}.detach()"))
wrong("space's residual detached", (SPACED, f"timed.detach() + {UPDATE}"))
wrong(
    "CLS without gradient",
    ("cls, patches = x[:, :1], x[:, 1:]\n    tubes", "cls, patches = x[:, :1].detach(), x[:, 1:]\n    tubes"),
)
# The MLP.
wrong("MLP left out", (OUT, "spaced"))
wrong("GELU by tanh", (HIDDEN, HIDDEN[:-1] + ', approximate="tanh")'))
wrong("GELU as x * sigmoid(1.702 x)", (HIDDEN, HIDDEN.replace("F.gelu(", "(lambda h: h * torch.sigmoid(1.702 * h))(")))
wrong("ReLU", (HIDDEN, HIDDEN.replace("F.gelu", "F.relu")))
wrong("SiLU", (HIDDEN, HIDDEN.replace("F.gelu", "F.silu")))
wrong("no activation", (HIDDEN, HIDDEN.replace("F.gelu", "")))
wrong(
    "GELU after both maps",
    (HIDDEN, HIDDEN.replace("F.gelu", "")),
    (OUT, 'spaced + F.gelu(linear(hidden, weights, "mlp.2"))'),
)
wrong("GELU before mlp.0", (HIDDEN, 'linear(F.gelu(norm(spaced, weights, "mlp_norm")), weights, "mlp.0")'))
wrong(
    "MLP on patches only",
    (OUT, 'torch.cat([spaced[:, :1], spaced[:, 1:] + linear(hidden[:, 1:], weights, "mlp.2")], 1)'),
)
wrong(
    "MLP on CLS only", (OUT, 'torch.cat([spaced[:, :1] + linear(hidden[:, :1], weights, "mlp.2"), spaced[:, 1:]], 1)')
)
wrong("mlp.0 without bias", (HIDDEN, 'F.gelu(F.linear(norm(spaced, weights, "mlp_norm"), weights["mlp.0.weight"]))'))
wrong("mlp.2 without bias", (OUT, 'spaced + F.linear(hidden, weights["mlp.2.weight"])'))
wrong("mlp.1 for mlp.2", ('"mlp.2"', '"mlp.1"'))
wrong(
    "mlp.2 before mlp.0", (HIDDEN, HIDDEN.replace("mlp.0", "mlp.2")), (OUT, 'spaced + linear(hidden, weights, "mlp.0")')
)
wrong(
    "mlp.0 transposed for mlp.2", (OUT, 'spaced + F.linear(hidden, weights["mlp.0.weight"].T, weights["mlp.2.bias"])')
)
wrong("MLP detached", (OUT, 'spaced + linear(hidden, weights, "mlp.2").detach()'))
wrong("MLP: hidden detached", (HIDDEN, HIDDEN + ".detach()"))
wrong("MLP: residual detached", (OUT, OUT.replace("spaced +", "spaced.detach() +")))
wrong("MLP: dropout", (HIDDEN, f"F.dropout({HIDDEN}, 0.1)"))
wrong(
    "MLP: hidden cut at 4d, d = 12",
    (HIDDEN, HIDDEN + "[..., :48]"),
    ('linear(hidden, weights, "mlp.2")', 'F.linear(hidden, weights["mlp.2.weight"][:, :48], weights["mlp.2.bias"])'),
)
wrong("MLP: hidden is 4d always", (HIDDEN, HIDDEN + ".reshape(*x.shape[:2], 4 * x.shape[2])"))
# Types, state, arguments.
wrong("block: under no_grad", (f"    return {OUT}", f"    with torch.no_grad():\n        return {OUT}"))
wrong("block: detached", (OUT, f"({OUT}).detach()"))
wrong("block: gradient doubled", (OUT, f"(lambda y: 2 * y - y.detach())({OUT})"))
wrong("block: float16 and back", (OUT, f"({OUT}).half().to(x.dtype)"))
wrong("block: bfloat16", (OUT, f"({OUT}).bfloat16()"))
wrong("block: float64", (OUT, f"({OUT}).double()"))
wrong("block: squeezed", (OUT, f"({OUT}).squeeze()"))
wrong("block: clip 0 only", (OUT, f"({OUT})[:1]"))
wrong("block: mean over clips", (OUT, f"(lambda y: y.mean(0, keepdim=True).expand_as(y))({OUT})"))
wrong(
    "block: patches changed in place",
    (
        "timed = " + TIMED,
        "x[:, 1:] = (patches + gated).detach() if x.requires_grad else patches + gated\n    timed = x",
    ),
)
wrong("block: x += the update", ("spaced = " + SPACED, f"spaced = {SPACED}\n    x.data.add_(1)"))
wrong(
    "block: weights kept from the first call",
    add="""
kept = {}
first = divided_block
def divided_block(x, weights, t, heads):
    return first(x, kept.setdefault(x.shape[2], dict(weights)), t, heads)
""",
)
wrong(
    "block: result kept by shape",
    add="""
kept = {}
first = divided_block
def divided_block(x, weights, t, heads):
    return kept.setdefault((x.shape, t, heads), first(x, weights, t, heads))
""",
)
wrong(
    "block: result kept by the sum of x",
    add="""
kept = {}
first = divided_block
def divided_block(x, weights, t, heads):
    return kept.setdefault(round(x.detach().sum().item(), 1), first(x, weights, t, heads)).detach()
""",
)
wrong(
    "block: a weight changed in place",
    (f"    return {OUT}", f'    weights["mlp.2.bias"].data.add_(1)\n    return {OUT}'),
)
wrong("block: a weight put into the dict", (f"    return {OUT}", f'    weights["extra"] = x\n    return {OUT}'))
wrong(
    "block: pops the norms", (f"    return {OUT}", f'    y = {OUT}\n    weights.pop("mlp_norm.weight")\n    return y')
)
wrong("block: returns (x, hidden)", (f"return {OUT}", f"return {OUT}, hidden"))
wrong("block: returns the update only", (OUT, f"{OUT} - x"))
wrong(
    "block: right for square frames only",
    (OUT, f"{OUT} if math.isqrt((x.shape[1] - 1) // t) ** 2 == (x.shape[1] - 1) // t else spaced"),
)
wrong("block: right for even t only", (OUT, f"{OUT} if t % 2 == 0 else spaced"))
wrong("block: right for one clip only", (OUT, f"{OUT} if len(x) == 1 else spaced"))
wrong("block: right without one-frame clips", (OUT, f"{OUT} if t > 1 else spaced"))
wrong("block: right where heads divide t", (OUT, f"{OUT} if t % heads == 0 else spaced"))
wrong("block: noise of a thousandth", (OUT, f"{OUT} + torch.randn_like(x) / 1000"))
# Two mistakes at once.
wrong("no gate and GELU by tanh", (GATED, "from_tubes(seen, len(x))"), (HIDDEN, HIDDEN[:-1] + ', approximate="tanh")'))
wrong("space before time and ReLU", add=SPACE_FIRST.replace("F.gelu", "F.relu"))
wrong(
    "no mlp_norm and no MLP residual",
    (HIDDEN, 'F.gelu(linear(spaced, weights, "mlp.0"))'),
    (OUT, 'linear(hidden, weights, "mlp.2")'),
)
wrong(
    "back by a reshape and CLS outside",
    ("from_tubes(seen, len(x))", "seen.reshape(patches.shape)"),
    (SPACED, f"torch.cat([cls, timed[:, 1:] + {UPDATE}[:, 1:]], 1)"),
)
wrong("eps 1e-5 and no gate", (", eps=1e-6)", ")"), (GATED, "from_tubes(seen, len(x))"))
for name, add in nasties("divided_block", "x, weights, t, heads", "x * 2", "(x * 2)").items():
    wrong(name, add=add)
for name, add in list(nasties("norm", "x, weights, name", "x * 2", "(x * 2)").items())[::4]:
    wrong(name, add=add, base=OWN)

right = Answers(EARLIER + BLOCK)
right("steps")
right("layer norm by hand", base=BY_HAND)
right("block with layer norms of its own", base=OWN)
right(
    "layer norm by var",
    add="""
def norm(x, weights, name):
    y = (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, correction=0, keepdim=True) + 1e-6)
    return torch.addcmul(weights[f"{name}.bias"], y, weights[f"{name}.weight"])
""",
)
right(
    "torch.native_layer_norm",
    add="""
def norm(x, weights, name):
    return torch.native_layer_norm(x, [x.shape[-1]], weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-6)[0]
""",
)
right(
    "nn.LayerNorm through functional_call",
    add="""
def norm(x, weights, name):
    given = {"weight": weights[f"{name}.weight"], "bias": weights[f"{name}.bias"]}
    return torch.func.functional_call(nn.LayerNorm(x.shape[-1], eps=1e-6), given, (x,))
""",
)
right(
    "layer norm as group norm",
    add="""
def norm(x, weights, name):
    y = x.reshape(-1, x.shape[-1])
    return F.group_norm(y, 1, weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-6).reshape(x.shape)
""",
)
right(
    "layer norm in float64 and back",
    add="""
def norm(x, weights, name):
    w, b = (weights[f"{name}.{k}"].double() for k in ("weight", "bias"))
    return F.layer_norm(x.double(), x.shape[-1:], w, b, 1e-6).to(x.dtype)
""",
)
right(
    "norm over flattened tokens",
    add="""
def norm(x, weights, name):
    flat = x.flatten(0, -2)
    rows = [F.layer_norm(r, r.shape, weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-6) for r in flat]
    return torch.stack(rows).reshape(x.shape)
""",
)
right(
    "vmap over clips",
    add="""
inner = divided_block
def divided_block(x, weights, t, heads):
    return torch.cat([inner(clip[None], weights, t, heads) for clip in x])
""",
)
right(
    "vmap of the norm",
    add="""
inner = norm
def norm(x, weights, name):
    return torch.vmap(lambda row: inner(row, weights, name))(x)
""",
)
right(
    "norm: mean of squares minus square of mean",
    add=f"{HEAD}    return (x - m) / ((x * x).mean(-1, keepdim=True) - m * m + 1e-6).sqrt() * w + b\n",
)
right("GELU by erf", (HIDDEN, HIDDEN.replace("F.gelu(", "(lambda h: h * 0.5 * (1 + torch.erf(h / math.sqrt(2))))(")))
right("nn.GELU", (HIDDEN, HIDDEN.replace("F.gelu(", "nn.GELU()(")))
right("GELU by the normal distribution", (HIDDEN, HIDDEN.replace("F.gelu(", "(lambda h: h * torch.special.ndtr(h))(")))
right("MLP by matrix products", (OUT, 'spaced + hidden @ weights["mlp.2.weight"].T + weights["mlp.2.bias"]'))
right(
    "MLP apart for CLS and patches",
    (OUT, 'spaced + torch.cat([linear(hidden[:, :1], weights, "mlp.2"), linear(hidden[:, 1:], weights, "mlp.2")], 1)'),
)
right("CLS padded with a zero update", (TIMED, "x + F.pad(gated, (0, 0, 1, 0))"))
right("time's update written into zeros", (TIMED, "x + torch.cat([torch.zeros_like(cls), gated], 1)"))
right("a clone changed in place", ("timed = " + TIMED, "timed = x.clone()\n    timed[:, 1:] += gated"))
right("norm after the regrouping", (TUBES, 'norm(to_tubes(patches, t), weights, "temporal_norm")'))
right("gate before going back", (GATED, 'from_tubes(linear(seen, weights, "temporal_projection"), len(x))'))
right(
    "gate folded into proj",
    (
        SEEN,
        (
            'multi_head(tubes, {**weights, "temporal_attention.attention.proj.weight": '
            'weights["temporal_projection.weight"] @ weights["temporal_attention.attention.proj.weight"], '
            '"temporal_attention.attention.proj.bias": '
            'linear(weights["temporal_attention.attention.proj.bias"], weights, "temporal_projection")}, '
            '"temporal_attention.attention", heads)'
        ),
    ),
    (GATED, "from_tubes(seen, len(x))"),
)
right(
    "tubes (n b) there and back",
    (TUBES, 'rearrange(norm(patches, weights, "temporal_norm"), "b (t n) d -> (n b) t d", t=t)'),
    ("from_tubes(seen, len(x))", 'rearrange(seen, "(n b) t d -> b (t n) d", b=len(x))'),
)
right("time backwards there and back", (TUBES, TUBES + ".flip(1)"), ("from_tubes(seen,", "from_tubes(seen.flip(1),"))
right("fused attention throughout", base=answers_04_1.PLAIN + answers_04_2.FUSED + BLOCK)
right(
    "float64 and back",
    add="""
inner = divided_block
def divided_block(x, weights, t, heads):
    return inner(x.double(), {k: w.double() for k, w in weights.items()}, t, heads).to(x.dtype)
""",
)
right("normalises all tokens, uses the patches", (TUBES, 'to_tubes(norm(x, weights, "temporal_norm")[:, 1:], t)'))
right(
    "everything in one function",
    add="""
def divided_block(x, weights, t, heads):
    b, l, d = x.shape
    n, w = (l - 1) // t, weights
    def attend(y, name):
        qkv = y @ w[f"{name}.qkv.weight"].T + w[f"{name}.qkv.bias"]
        q, k, v = qkv.unflatten(-1, (3, heads, d // heads)).permute(2, 0, 3, 1, 4)
        z = torch.softmax(q @ k.mT * (d // heads) ** -0.5, -1) @ v
        return z.transpose(1, 2).flatten(2) @ w[f"{name}.proj.weight"].T + w[f"{name}.proj.bias"]
    def ln(y, name):
        return (y - y.mean(-1, True)) / (y.var(-1, False, True) + 1e-6) ** 0.5 * w[f"{name}.weight"] + w[f"{name}.bias"]
    p = ln(x[:, 1:], "temporal_norm").reshape(b, t, n, d).permute(0, 2, 1, 3).reshape(b * n, t, d)
    p = attend(p, "temporal_attention.attention").reshape(b, n, t, d).permute(0, 2, 1, 3).reshape(b, t * n, d)
    x = torch.cat([x[:, :1], x[:, 1:] + p @ w["temporal_projection.weight"].T + w["temporal_projection.bias"]], 1)
    y = ln(x, "spatial_norm")
    s = torch.cat([y[:, None, :1].expand(b, t, 1, d), y[:, 1:].reshape(b, t, n, d)], 2).reshape(b * t, n + 1, d)
    s = attend(s, "spatial_attention.attention").reshape(b, t, n + 1, d)
    x = x + torch.cat([s[:, :, 0].mean(1, True), s[:, :, 1:].reshape(b, t * n, d)], 1)
    return x + F.gelu(ln(x, "mlp_norm") @ w["mlp.0.weight"].T + w["mlp.0.bias"]) @ w["mlp.2.weight"].T + w["mlp.2.bias"]
""",
)
right(
    "the package's own block",
    add="""
def divided_block(x, weights, t, heads):
    from videoformer_edu.models import DividedSpaceTimeBlock
    from videoformer_edu.tokens import Grid
    d = x.shape[2]
    block = DividedSpaceTimeBlock(width=d, heads=heads)
    names = set(block.state_dict())
    grid = Grid(t=t, h=1, w=(x.shape[1] - 1) // t)
    return torch.func.functional_call(block, {k: w for k, w in weights.items() if k in names}, (x, grid))
""",
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
