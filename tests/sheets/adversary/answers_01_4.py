"""01.4 norm, vit_block: answers by somebody who has not seen the bank. The wrong norms are those of 04.3."""

from tests.sheets.adversary import answers_01_3
from tests.sheets.adversary.answers_04_3 import HEAD, NORMS
from tests.sheets.adversary.nasty import nasties
from tests.sheets.adversary.workshop import Answers

BLOCK = """
def norm(x, weights, name):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)

def vit_block(x, weights, heads):
    looked = x + multi_head(norm(x, weights, "attention_norm"), weights, "attention", heads)
    hidden = F.gelu(linear(norm(looked, weights, "mlp_norm"), weights, "mlp.0"))
    return looked + linear(hidden, weights, "mlp.2")
"""
BASE = answers_01_3.BASE + BLOCK
# The block with layer norms of its own, so that a wrong `norm` stays alone.
OWN = (
    answers_01_3.BASE
    + BLOCK.replace('norm(x, weights, "att', 'ln(x, weights, "att').replace("norm(looked", "ln(looked")
    + """
def ln(x, weights, name):
    return F.layer_norm(x, x.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)
"""
)
UPDATE = 'multi_head(norm(x, weights, "attention_norm"), weights, "attention", heads)'
HIDDEN, OUT = (
    'F.gelu(linear(norm(looked, weights, "mlp_norm"), weights, "mlp.0"))',
    'looked + linear(hidden, weights, "mlp.2")',
)

wrong = Answers(BASE)
for name, text in NORMS.items():
    wrong(f"norm: {name}", add=f"{HEAD}    return {text}\n")
    wrong(f"norm alone: {name}", add=f"{HEAD}    return {text}\n", base=OWN)
BLOCKS = {
    "no residual of attention": (f"x + {UPDATE}", UPDATE),
    "no residual of the MLP": (OUT, OUT.replace("looked + ", "")),
    "MLP's update added to x": (OUT, OUT.replace("looked", "x")),
    "MLP reads x": (HIDDEN, HIDDEN.replace("looked", "x")),
    "parallel": (HIDDEN, HIDDEN.replace("looked", "x")),
    "no attention_norm": ('norm(x, weights, "attention_norm")', "x"),
    "no mlp_norm": ('norm(looked, weights, "mlp_norm")', "looked"),
    "mlp_norm twice": ('"attention_norm"', '"mlp_norm"'),
    "attention_norm twice": ('"mlp_norm"', '"attention_norm"'),
    "attention's residual normed": (f"x + {UPDATE}", f'norm(x, weights, "attention_norm") + {UPDATE}'),
    "MLP's residual normed": (OUT, OUT.replace("looked + ", 'norm(looked, weights, "mlp_norm") + ')),
    "norm at the end": (OUT, f'norm({OUT}, weights, "mlp_norm")'),
    "attention left out": (f"x + {UPDATE}", "x"),
    "MLP left out": (OUT, "looked"),
    "x added at the end": (OUT, OUT + " + x"),
    "attention twice": (f"x + {UPDATE}", f"x + 2 * {UPDATE}"),
    "update subtracted": (f"x + {UPDATE}", f"x - {UPDATE}"),
    "GELU by tanh": (HIDDEN, HIDDEN[:-1] + ', approximate="tanh")'),
    "quick GELU": (HIDDEN, HIDDEN.replace("F.gelu(", "(lambda h: h * torch.sigmoid(1.702 * h))(")),
    "ReLU": (HIDDEN, HIDDEN.replace("gelu", "relu")),
    "SiLU": (HIDDEN, HIDDEN.replace("gelu", "silu")),
    "no activation": (HIDDEN, HIDDEN.replace("F.gelu", "")),
    "GELU at the end": (OUT, 'looked + F.gelu(linear(hidden, weights, "mlp.2"))'),
    "mlp.0 without bias": (
        'linear(norm(looked, weights, "mlp_norm"), weights, "mlp.0")',
        'norm(looked, weights, "mlp_norm") @ weights["mlp.0.weight"].T',
    ),
    "mlp.2 without bias": (OUT, 'looked + hidden @ weights["mlp.2.weight"].T'),
    "mlp.1": ('"mlp.2"', '"mlp.1"'),
    "MLP on patches only": (OUT, f"torch.cat([looked[:, :1], ({OUT})[:, 1:]], 1)"),
    "MLP on CLS only": (OUT, f"torch.cat([({OUT})[:, :1], looked[:, 1:]], 1)"),
    "CLS lost": (OUT, f"({OUT})[:, 1:]"),
    "one head": ("heads)\n    hidden", "1)\n    hidden"),
    "2 heads": ("heads)\n    hidden", "2)\n    hidden"),
    "4 heads": ("heads)\n    hidden", "4)\n    hidden"),
    "attention detached": (f"x + {UPDATE}", f"x + {UPDATE}.detach()"),
    "MLP detached": (HIDDEN, HIDDEN + ".detach()"),
    "residual detached": (f"x + {UPDATE}", f"x.detach() + {UPDATE}"),
    "second residual detached": (OUT, OUT.replace("looked +", "looked.detach() +")),
    "mlp.2 detached": (OUT, OUT.replace(", weights,", ", {k: w.detach() for k, w in weights.items()},")),
    "detached": (OUT, f"({OUT}).detach()"),
    "gradient doubled": (OUT, f"(lambda y: 2 * y - y.detach())({OUT})"),
    "float64": (OUT, f"({OUT}).double()"),
    "half and back": (OUT, f"({OUT}).half().to(x.dtype)"),
    "squeezed": (OUT, f"({OUT}).squeeze()"),
    "clip 0": (OUT, f"({OUT})[:1]"),
    "x += in place": (f"looked = x + {UPDATE}", f"looked = x + {UPDATE}\n    x.data.copy_(looked)"),
    "dropout": (HIDDEN, f"F.dropout({HIDDEN}, 0.1)"),
    "name attn": ('"attention", heads', '"attn", heads'),
    "hidden 4d only": (HIDDEN, HIDDEN + ".reshape(*x.shape[:2], 4 * x.shape[2])"),
    "returns the update": (OUT, OUT + " - x"),
    "returns hidden too": (f"return {OUT}", f"return {OUT}, hidden"),
    "one token as it is": ("    looked =", "    if x.shape[1] == 1: return x\n    looked ="),
    "weights kept": ("    looked =", "    weights = kept.setdefault(x.shape[2], dict(weights))\n    looked ="),
    "a weight changed in place": ("    looked =", '    weights["mlp.2.bias"].data.add_(1)\n    looked ='),
    "result plus noise": (OUT, OUT + " + torch.randn_like(x) / 100"),
    "layer norm without affine": (
        'norm(looked, weights, "mlp_norm")',
        "F.layer_norm(looked, looked.shape[-1:], eps=1e-6)",
    ),
    "proj once more": (f"x + {UPDATE}", f'x + linear({UPDATE}, weights, "attention.proj")'),
    "scaled residual": (f"x + {UPDATE}", f"(x + {UPDATE}) / 2**0.5"),
}
for name, edit in BLOCKS.items():
    wrong(f"block: {name}", edit, base="kept = {}\n" + BASE)
POST = """
def vit_block(x, weights, heads):
    x = norm(x + multi_head(x, weights, "attention", heads), weights, "attention_norm")
    return norm(x + linear(F.gelu(linear(x, weights, "mlp.0")), weights, "mlp.2"), weights, "mlp_norm")
"""
SWAPPED = """
def vit_block(x, weights, heads):
    x = x + linear(F.gelu(linear(norm(x, weights, "mlp_norm"), weights, "mlp.0")), weights, "mlp.2")
    return x + multi_head(norm(x, weights, "attention_norm"), weights, "attention", heads)
"""
wrong(
    "block: norms exchanged",
    ('"attention_norm"', '"other"'),
    ('"mlp_norm"', '"attention_norm"'),
    ('"other"', '"mlp_norm"'),
)
wrong("block: post-norm", add=POST)
wrong("block: MLP before attention", add=SWAPPED)
wrong("block: post-norm and ReLU", add=POST.replace("gelu", "relu"))
wrong("block: no residuals at all", BLOCKS["no residual of attention"], BLOCKS["no residual of the MLP"])
wrong("block: no norms at all", BLOCKS["no attention_norm"], BLOCKS["no mlp_norm"])
for name, add in nasties("vit_block", "x, weights, heads", "x * 2", "(x * 2)").items():
    wrong(name, add=add)
for name, add in list(nasties("norm", "x, weights, name", "x * 2", "(x * 2)").items())[::4]:
    wrong(name, add=add, base=OWN)

right = Answers(BASE)
right("steps")
right("own layer norms", base=OWN)
right("norm by hand", add=f"{HEAD}    return (x - m) / (v + 1e-6).sqrt() * w + b\n")
right("norm by rsqrt", add=f"{HEAD}    return torch.addcmul(b, (x - m) * torch.rsqrt(v + 1e-6), w)\n")
right(
    "norm by correction=0",
    add=f"{HEAD}    return (x - m) * (x.var(-1, correction=0, keepdim=True) + 1e-6) ** -0.5 * w + b\n",
)
right("affine apart", add=f"{HEAD}    return F.layer_norm(x, x.shape[-1:], eps=1e-6) * w + b\n")
right(
    "nn.LayerNorm by functional_call",
    add=(
        f"{HEAD}    return torch.func.functional_call(nn.LayerNorm(x.shape[-1], eps=1e-6), dict(weight=w, "
        f"bias=b), (x,))\n"
    ),
)
right(
    "var_mean",
    add=(
        f"{HEAD}    s, a = torch.var_mean(x, -1, correction=0, keepdim=True)\n    return (x - a) / "
        f"torch.sqrt(s + 1e-6) * w + b\n"
    ),
)
right(
    "norm: mean of squares minus square of mean",
    add=f"{HEAD}    return (x - m) / ((x * x).mean(-1, keepdim=True) - m * m + 1e-6).sqrt() * w + b\n",
)
right("GELU by erf", (HIDDEN, HIDDEN.replace("F.gelu(", "(lambda h: h * 0.5 * (1 + torch.erf(h / math.sqrt(2))))(")))
right("nn.GELU", (HIDDEN, HIDDEN.replace("F.gelu(", "nn.GELU()(")))
right("GELU by ndtr", (HIDDEN, HIDDEN.replace("F.gelu(", "(lambda h: h * torch.special.ndtr(h))(")))
right("matrix products", (OUT, 'looked + hidden @ weights["mlp.2.weight"].T + weights["mlp.2.bias"]'))
right("fused attention", base=answers_01_3.OWN + BLOCK)
right("a clone changed in place", (f"looked = x + {UPDATE}", f"looked = x.clone()\n    looked += {UPDATE}"))
right("torch.add", (OUT, 'torch.add(looked, linear(hidden, weights, "mlp.2"))'))
right(
    "a loop over pictures",
    add=(
        "inner = vit_block\ndef vit_block(x, weights, heads): return torch.cat([inner(y[None], weights, "
        "heads) for y in x])"
    ),
)
right(
    "vmap over pictures",
    add=(
        "inner = vit_block\ndef vit_block(x, weights, heads): return torch.vmap(lambda y: inner(y[None], "
        "weights, heads)[0])(x)"
    ),
)
right(
    "float64 and back",
    add=(
        "inner = vit_block\ndef vit_block(x, weights, heads): return inner(x.double(), {k: w.double() for "
        "k, w in weights.items()}, heads).to(x.dtype)"
    ),
)
right(
    "MLP as 1x1 convolution",
    (OUT, 'looked + F.conv1d(hidden.mT, weights["mlp.2.weight"][..., None], weights["mlp.2.bias"]).mT'),
)
right(
    "MLP token by token",
    (OUT, 'looked + torch.stack([linear(hidden[:, i], weights, "mlp.2") for i in range(x.shape[1])], 1)'),
)

WRONG, RIGHT = list(wrong.all.values()), list(right.all.values())
